"""Italian: numbers in words, and everything that is written with them."""

from __future__ import annotations

import re

from vivavoce.text.normalize.rules import abbreviation, roman, rule
from vivavoce.text.normalize.western import Grammar, Noun, by_two_digits, nouns, western_rules

_UNITS = (
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici "
    "quindici sedici diciassette diciotto diciannove"
).split()
_TENS = "- - venti trenta quaranta cinquanta sessanta settanta ottanta novanta".split()
_SCALES = (
    (10**12, "bilione", "bilioni"),
    (10**9, "miliardo", "miliardi"),
    (10**6, "milione", "milioni"),
)
_ORDINALS = ("- primo secondo terzo quarto quinto sesto settimo ottavo nono decimo").split()
MONTHS = (
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"
).split()
_NO_NOUNS = frozenset(
    "e ed o a al di del della dei in nel con per che è sono fu più meno fino tra contro come se "
    "non già perché ma quando c'è era erano su sul senza da dal".split()
)


def cardinal(number: int, gender: str = "") -> str:
    """Return 23 as "ventitré", 28 as "ventotto"; one before a noun is un or una."""
    for size, one, many in _SCALES:
        if number >= size:
            count, rest = divmod(number, size)
            words = f"un {one}" if count == 1 else f"{cardinal(count)} {many}"
            return f"{words} {cardinal(rest)}" if rest else words
    if number == 1 and gender:
        return "un" if gender == "m" else "una"
    words = _joined(number)
    return f"{words[:-1]}é" if words.endswith("tre") and number > 3 else words


def _joined(number: int) -> str:
    """Return a number below a million, which is one word."""
    if number >= 1000:
        count, rest = divmod(number, 1000)
        return ("mille" if count == 1 else f"{_joined(count)}mila") + (
            _joined(rest) if rest else ""
        )
    if number >= 100:
        count, rest = divmod(number, 100)
        cento = "cent" if rest == 8 or rest // 10 == 8 else "cento"
        return ("" if count == 1 else _UNITS[count]) + cento + (_joined(rest) if rest else "")
    if number < 20:
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    words = _TENS[tens][:-1] if unit in (1, 8) else _TENS[tens]
    return words + (_UNITS[unit] if unit else "")


def ordinal(number: int, gender: str = "") -> str:
    """Return 21 as "ventunesimo", feminine "ventunesima"."""
    if number <= 10:
        words = _ORDINALS[number] if number else "zero"
    else:
        stem = cardinal(number)
        if stem.endswith("tré"):
            stem = f"{stem[:-1]}e"
        elif not stem.endswith("sei"):
            stem = stem[:-1]
        stem += "l" * stem.endswith("mil")  # duemila, duemillesimo
        words = f"{stem}esimo"
    return f"{words[:-1]}a" if gender == "f" else words


def _agree(number: int, word: str) -> str:
    if number != 1 or word.lower() in _NO_NOUNS:
        return ""
    return "f" if word.endswith(("a", "zione", "sione", "tà")) else "m"


def _date(match: re.Match[str], day: int, month: int | str, when: int | None) -> str:
    name = MONTHS[month - 1] if isinstance(month, int) else month
    first = "primo" if day == 1 else cardinal(day)
    return f"{first} {name}" + (f" {cardinal(when)}" if when is not None else "")


def _time(hour: int, minute: int) -> str:
    hours = "una" if hour == 1 else cardinal(hour)
    return f"{hours} e {cardinal(minute)}" if minute else f"{hours} in punto"


def _century(match: re.Match[str]) -> str:
    return f"{ordinal(roman(match[1]))} secolo"


_NAMES = "|".join(MONTHS)
_EURO, _CENT = Noun(("euro",)), Noun(("centesimo", "centesimi"))
_GRAMMAR = Grammar(
    cardinal=cardinal,
    agree=_agree,
    point="virgola",
    fraction=by_two_digits(cardinal, "virgola"),
    minus="meno",
    plus="più",
    to="a",
    over="su",
    and_="e",
    halves={
        (1, 2): "un mezzo",
        (1, 3): "un terzo",
        (2, 3): "due terzi",
        (1, 4): "un quarto",
        (3, 4): "tre quarti",
    },
    dot="punto",
    address="punto barra chiocciola trattino trattino_basso due_punti punto_interrogativo uguale e "
    "cancelletto più per_cento tilde",
    percent="per cento",
    per_mille="per mille",
    scales=nouns(
        {
            "mln": "milione/milioni",
            "milione": "milione/milioni",
            "milioni": "milione/milioni",
            "mld": "miliardo/miliardi",
            "miliardo": "miliardo/miliardi",
            "miliardi": "miliardo/miliardi",
        }
    ),
    of_scale=lambda noun: f" di {noun}",
    currencies={
        "€": (_EURO, _CENT),
        "EUR": (_EURO, _CENT),
        "$": (Noun(("dollaro", "dollari")), Noun(("centesimo", "centesimi"))),
        "£": (Noun(("sterlina", "sterline"), "f"), Noun(("penny", "pence"))),
        "¥": (Noun(("yen",)), None),
        "CHF": (Noun(("franco svizzero", "franchi svizzeri")), _CENT),
        "₽": (Noun(("rublo", "rubli")), Noun(("copeco", "copechi"))),
    },
    cents_after=" e ",
    units=nouns(
        {
            "mm": "millimetro/millimetri",
            "cm": "centimetro/centimetri",
            "m": "metro/metri",
            "km": "chilometro/chilometri",
            "km/h": "chilometro all'ora/chilometri all'ora",
            "m/s": "metro al secondo/metri al secondo",
            "m²": "metro quadrato/metri quadrati",
            "mq": "metro quadrato/metri quadrati",
            "km²": "chilometro quadrato/chilometri quadrati",
            "m³": "metro cubo/metri cubi",
            "ha": "ettaro/ettari",
            "mg": "milligrammo/milligrammi",
            "g": "grammo/grammi",
            "kg": "chilogrammo/chilogrammi",
            "t": "f:tonnellata/tonnellate",
            "ml": "millilitro/millilitri",
            "l": "litro/litri",
            "L": "litro/litri",
            "°C": "grado Celsius/gradi Celsius",
            "°": "grado/gradi",
            "s": "secondo/secondi",
            "min": "minuto/minuti",
            "h": "f:ora/ore",
            "kW": "chilowatt",
            "kWh": "chilowattora",
            "Hz": "hertz",
            "MHz": "megahertz",
            "GHz": "gigahertz",
            "KB": "kilobyte",
            "MB": "megabyte",
            "GB": "gigabyte",
            "TB": "terabyte",
        }
    ),
    months=tuple(MONTHS),
    textual_date=rf"(?<![\w.,])(?P<d>\d{{1,2}})º? (?P<m>{_NAMES})(?: (?P<y>\d{{4}}))?(?!\w)",
    date=_date,
    time=_time,
    time_pattern=r"(?<![\w:.,])(?P<h>\d{1,2}):(?P<min>[0-5]\d)(?![\w:]|[.,]\d)",
    before=(
        rule(r"\bSig\.ra ?", "signora "),
        rule(r"\bSig\.na ?", "signorina "),
        rule(r"\bSig\. ?", "signor "),
        rule(r"\bDott\.ssa ?", "dottoressa "),
        rule(r"\bDott\. ?", "dottor "),
        rule(r"\bProf\.ssa ?", "professoressa "),
        rule(r"\bProf\. ?", "professor "),
        rule(r"\b(?:p\. ?es|ad es)\.", "per esempio"),
        abbreviation(r"\b[eE]cc\.", "eccetera"),
        rule(r"\b(?:[nN]\.|[nN]°|№) ?(?=\d)", "numero "),
        rule(r"\bpagg?\. ?(?=\d)", "pagina "),
        rule(r"\b([IVXLC]+) secolo\b", _century),
        rule(
            r"(?<![\w.,:])(\d{1,2})\.([0-5]\d)"
            r"(?= (?:del mattino|di sera|di mattina|del pomeriggio))",
            r"\1:\2",
        ),
    ),
    ordinals=(
        rule(
            r"(?<![\w.,])(\d{1,4})([ªº°])(?![\wCF])",
            lambda m: ordinal(int(m[1]), "f" if m[2] == "ª" else ""),
        ),
    ),
    symbols={"&": "e", "§": "paragrafo", "°": "gradi"},
)
RULES = western_rules(_GRAMMAR)
