"""German: numbers in words, and everything that is written with them."""

from __future__ import annotations

import re

from vivavoce.text.normalize.rules import abbreviation, rule
from vivavoce.text.normalize.western import Grammar, Noun, nouns, western_rules

_UNITS = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
).split()
_TENS = "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_SCALES = ((10**12, "Billion"), (10**9, "Milliarde"), (10**6, "Million"))
_ONE = {"": "eins", "m": "ein", "n": "ein", "f": "eine"}
_ORDINALS = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}
MONTHS = (
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
).split()
_WEAK = "am im vom zum beim bis ab dem den des seit einem einen eines ihrem seinem jedem"


def cardinal(number: int, gender: str = "") -> str:
    """Return 21 as "einundzwanzig"; one is eins, ein or eine."""
    for size, name in _SCALES:
        if number >= size:
            many, rest = divmod(number, size)
            plural = name + ("n" if name.endswith("e") else "en")
            words = f"eine {name}" if many == 1 else f"{cardinal(many, 'f')} {plural}"
            return f"{words} {cardinal(rest, gender)}" if rest else words
    if number >= 1000:
        many, rest = divmod(number, 1000)
        return f"{cardinal(many, 'm')}tausend{cardinal(rest, gender) if rest else ''}"
    if number >= 100:
        many, rest = divmod(number, 100)
        return f"{_unit(many)}hundert{cardinal(rest, gender) if rest else ''}"
    if number == 1:
        return _ONE[gender]
    if number < 20:
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    return f"{_unit(unit)}und{_TENS[tens]}" if unit else _TENS[tens]


def _unit(number: int) -> str:
    return "ein" if number == 1 else _UNITS[number]


def ordinal(number: int, ending: str = "e") -> str:
    """Return 3 as "dritte", with another ending "dritten"."""
    last = number % 100
    if 0 < last < 20:
        head = cardinal(number - last) if number > last else ""
        return head + _ORDINALS.get(last, f"{_UNITS[last]}t") + ending
    words = {100: "hundert", 1000: "tausend"}.get(number) or cardinal(number)
    return f"{words}st{ending}"


def year(number: int) -> str:
    """Return 1984 as "neunzehnhundertvierundachtzig"."""
    if number >= 2000:
        return cardinal(number)
    century, rest = divmod(number, 100)
    return f"{cardinal(century)}hundert{cardinal(rest) if rest else ''}"


def _ending(match: re.Match[str], alone: str) -> str:
    """Return the ending of an ordinal after the word before it."""
    words = match.string[max(0, match.start() - 20) : match.start()].lower().split()
    if words and words[-1] in _WEAK.split():
        return "en"
    return "e" if words and words[-1] in ("der", "die", "das") else alone


def _date(match: re.Match[str], day: int, month: int | str, when: int | None) -> str:
    ending = _ending(match, "er")
    name = MONTHS[month - 1] if isinstance(month, int) else month
    return f"{ordinal(day, ending)} {name}" + (f" {year(when)}" if when is not None else "")


def _day_and_month(match: re.Match[str]) -> str:
    day, month = int(match[1]), int(match[2])
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return match.group(0)
    return f"{ordinal(day, _ending(match, 'er'))} {MONTHS[month - 1]}"


def _time(hour: int, minute: int) -> str:
    hours = cardinal(hour, "m")
    return f"{hours} Uhr {cardinal(minute)}" if minute else f"{hours} Uhr"


def _agree(number: int, word: str) -> str:
    if number % 100 != 1 or number > 1 or not word[0].isupper():
        return ""
    feminine = word.endswith(("e", "ung", "heit", "keit", "ion", "schaft", "tät"))
    return "f" if feminine else "m"


_NAMES = "|".join(MONTHS)
_EURO, _CENT = Noun(("Euro",)), Noun(("Cent",))
_DOLLAR = Noun(("Dollar",))
_GRAMMAR = Grammar(
    cardinal=cardinal,
    agree=_agree,
    point="Komma",
    minus="minus",
    to="bis",
    over="durch",
    and_="und",
    halves={
        (1, 2): "ein halb",
        (1, 3): "ein Drittel",
        (2, 3): "zwei Drittel",
        (1, 4): "ein Viertel",
        (3, 4): "drei Viertel",
    },
    dot="Punkt",
    address="Punkt Schrägstrich at Bindestrich Unterstrich Doppelpunkt Fragezeichen gleich und "
    "Raute plus Prozent Tilde",
    percent="Prozent",
    per_mille="Promille",
    scales=nouns(
        {
            "Mio.": "f:Million/Millionen",
            "Million": "f:Million/Millionen",
            "Millionen": "f:Million/Millionen",
            "Mrd.": "f:Milliarde/Milliarden",
            "Milliarde": "f:Milliarde/Milliarden",
            "Milliarden": "f:Milliarde/Milliarden",
        }
    ),
    currencies={
        "€": (_EURO, _CENT),
        "EUR": (_EURO, _CENT),
        "$": (_DOLLAR, _CENT),
        "USD": (Noun(("US-Dollar",)), _CENT),
        "£": (Noun(("Pfund",), "n"), Noun(("Pence",))),
        "¥": (Noun(("Yen",)), None),
        "CHF": (Noun(("Franken",)), Noun(("Rappen",))),
        "₽": (Noun(("Rubel",)), Noun(("Kopeke", "Kopeken"), "f")),
    },
    cents_after=" und ",
    units=nouns(
        {
            "mm": "Millimeter",
            "cm": "Zentimeter",
            "m": "Meter",
            "km": "Kilometer",
            "km/h": "Kilometer pro Stunde",
            "m/s": "Meter pro Sekunde",
            "m²": "Quadratmeter",
            "qm": "Quadratmeter",
            "km²": "Quadratkilometer",
            "m³": "Kubikmeter",
            "ha": "Hektar",
            "mg": "Milligramm",
            "g": "Gramm",
            "kg": "Kilogramm",
            "t": "f:Tonne/Tonnen",
            "ml": "Milliliter",
            "l": "Liter",
            "°C": "Grad Celsius",
            "°": "Grad",
            "s": "f:Sekunde/Sekunden",
            "Sek.": "f:Sekunde/Sekunden",
            "min": "f:Minute/Minuten",
            "Min.": "f:Minute/Minuten",
            "h": "f:Stunde/Stunden",
            "Std.": "f:Stunde/Stunden",
            "kW": "Kilowatt",
            "kWh": "f:Kilowattstunde/Kilowattstunden",
            "Hz": "Hertz",
            "MHz": "Megahertz",
            "GHz": "Gigahertz",
            "KB": "Kilobyte",
            "MB": "Megabyte",
            "GB": "Gigabyte",
            "TB": "Terabyte",
        }
    ),
    year=year,
    months=tuple(MONTHS),
    textual_date=rf"(?<![\w.,])(?P<d>\d{{1,2}})\. ?(?P<m>{_NAMES})(?: (?P<y>\d{{4}}))?(?!\w)",
    date=_date,
    time=_time,
    time_pattern=r"(?<![\w:.,])(?P<h>\d{1,2})(?::(?P<min>\d\d)(?: Uhr)?| Uhr)(?![\w:]|[.,]\d)",
    before=(
        rule(
            r"(?<![\w:.,])(\d{1,2})(?:\.| Uhr )([0-5]\d)(?: Uhr|(?<= Uhr \d\d))(?!\w)", r"\1:\2 Uhr"
        ),
        rule(r"\bz\. ?B\.", "zum Beispiel"),
        rule(r"\bd\. ?h\.", "das heißt"),
        rule(r"\bu\. ?a\.", "unter anderem"),
        rule(r"\bz\. ?T\.", "zum Teil"),
        abbreviation(r"\busw\.", "und so weiter"),
        rule(r"\bbzw\.", "beziehungsweise"),
        rule(r"\bca\. ?(?=\d)", "circa "),
        rule(r"\b(?:Nr\.|№) ?(?=\d)", "Nummer "),
        rule(r"\bS\. ?(?=\d)", "Seite "),
        rule(r"\bDr\. ?(?=\w)", "Doktor "),
        rule(r"\bProf\. ?(?=\w)", "Professor "),
        rule(r"\bStr\.(?= ?\d)", "Straße"),
        rule(r"(\w)str\. (?=\d)", r"\1straße "),
        rule(r"§ ?(?=\d)", "Paragraf "),
    ),
    ordinals=(
        rule(r"(?<![\w.,])(\d{1,2})\.(\d{1,2})\.(?![\d])", _day_and_month),
        rule(
            rf"(?i:\b(der|die|das|{'|'.join(_WEAK.split())})) (\d{{1,4}})\.(?= [^\W\d_])",
            lambda m: (
                f"{m[1]} {ordinal(int(m[2]), 'en' if m[1].lower() in _WEAK.split() else 'e')}"
            ),
        ),
        rule(r"(?<![\w.,])(\d\d)er(?= Jahre)", lambda m: f"{cardinal(int(m[1]))}er"),
    ),
    symbols={"&": "und", "°": "Grad"},
)
RULES = western_rules(_GRAMMAR)
