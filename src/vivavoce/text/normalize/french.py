"""French: numbers in words, and everything that is written with them."""

from __future__ import annotations

import re

from vivavoce.text.normalize.rules import abbreviation, roman, rule
from vivavoce.text.normalize.western import Grammar, Noun, by_two_digits, nouns, western_rules

_UNITS = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze "
    "seize dix-sept dix-huit dix-neuf"
).split()
_TENS = "- - vingt trente quarante cinquante soixante".split()
_SCALES = ((10**12, "billion"), (10**9, "milliard"), (10**6, "million"))
MONTHS = (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
).split()


def cardinal(number: int, gender: str = "") -> str:
    """Return 80 as "quatre-vingts", 71 as "soixante et onze"; one is un, before a feminine une."""
    for size, name in _SCALES:
        if number >= size:
            many, rest = divmod(number, size)
            words = f"{cardinal(many)} {name}{'s' if many > 1 else ''}"
            return f"{words} {cardinal(rest, gender)}" if rest else words
    if number >= 1000:
        many, rest = divmod(number, 1000)
        words = "mille" if many == 1 else f"{_before_mille(many)} mille"
        return f"{words} {cardinal(rest, gender)}" if rest else words
    if number >= 100:
        many, rest = divmod(number, 100)
        words = "cent" if many == 1 else f"{_UNITS[many]} cent"
        return f"{words} {_below_100(rest, gender)}" if rest else words + "s" * (many > 1)
    return _below_100(number, gender)


def _before_mille(number: int) -> str:
    """Say how many thousands: cents and vingts lose their s there."""
    words = cardinal(number)
    return words[:-1] if words.endswith(("cents", "vingts")) else words


def _below_100(number: int, gender: str) -> str:
    one = "une" if gender == "f" else "un"
    if number < 20:
        return one if number == 1 else _UNITS[number]
    tens, unit = divmod(number, 10)
    if tens in (7, 9):
        tens, unit = tens - 1, unit + 10
    if tens == 8:
        if unit == 0:
            return "quatre-vingts"
        return f"quatre-vingt-{one if unit == 1 else _UNITS[unit]}"
    if unit == 0:
        return _TENS[tens]
    if unit in (1, 11):
        return f"{_TENS[tens]} et {one if unit == 1 else 'onze'}"
    return f"{_TENS[tens]}-{_UNITS[unit]}"


def ordinal(number: int, gender: str = "") -> str:
    """Return 21 as "vingt et unième"; the first is premier or première."""
    if number == 1:
        return "première" if gender == "f" else "premier"
    words = cardinal(number)
    words = words[:-1] if words.endswith(("cents", "vingts", "millions")) else words
    if words.endswith("neuf"):
        return f"{words[:-1]}vième"
    if words.endswith("cinq"):
        return f"{words}uième"
    return f"{words.removesuffix('e')}ième"


def _date(match: re.Match[str], day: int, month: int | str, when: int | None) -> str:
    name = MONTHS[month - 1] if isinstance(month, int) else month
    first = "premier" if day == 1 else cardinal(day)
    return f"{first} {name}" + (f" {cardinal(when)}" if when is not None else "")


def _time(hour: int, minute: int) -> str:
    hours = f"{cardinal(hour, 'f')} heure{'s' if hour > 1 else ''}"
    return f"{hours} {cardinal(minute, 'f')}" if minute else hours


def _century(match: re.Match[str]) -> str:
    return f"{ordinal(roman(match[1]))} siècle"


_NAMES = "|".join(MONTHS)
_EURO, _CENT = Noun(("euro", "euros")), Noun(("centime", "centimes"))
_GRAMMAR = Grammar(
    cardinal=cardinal,
    plural=lambda number: 0 if number < 2 else 1,
    point="virgule",
    fraction=by_two_digits(cardinal, "virgule"),
    minus="moins",
    to="à",
    over="sur",
    and_="et",
    halves={
        (1, 2): "un demi",
        (1, 3): "un tiers",
        (2, 3): "deux tiers",
        (1, 4): "un quart",
        (3, 4): "trois quarts",
    },
    dot="point",
    address="point slash arobase tiret tiret_bas deux_points point_d'interrogation égale et dièse "
    "plus pour_cent tilde",
    percent="pour cent",
    per_mille="pour mille",
    scales=nouns(
        {
            "M": "million/millions",
            "million": "million/millions",
            "millions": "million/millions",
            "Md": "milliard/milliards",
            "milliard": "milliard/milliards",
            "milliards": "milliard/milliards",
        }
    ),
    of_scale=lambda noun: f" d'{noun}" if noun[0] in "aeiou" else f" de {noun}",
    currencies={
        "€": (_EURO, _CENT),
        "EUR": (_EURO, _CENT),
        "$": (Noun(("dollar", "dollars")), Noun(("cent", "cents"))),
        "£": (Noun(("livre", "livres"), "f"), Noun(("penny", "pence"))),
        "¥": (Noun(("yen", "yens")), None),
        "CHF": (Noun(("franc suisse", "francs suisses")), _CENT),
        "₽": (Noun(("rouble", "roubles")), Noun(("kopeck", "kopecks"))),
    },
    cents_after=" et ",
    units=nouns(
        {
            "mm": "millimètre/millimètres",
            "cm": "centimètre/centimètres",
            "m": "mètre/mètres",
            "km": "kilomètre/kilomètres",
            "km/h": "kilomètre à l'heure/kilomètres à l'heure",
            "m/s": "mètre par seconde/mètres par seconde",
            "m²": "mètre carré/mètres carrés",
            "km²": "kilomètre carré/kilomètres carrés",
            "m³": "mètre cube/mètres cubes",
            "ha": "hectare/hectares",
            "mg": "milligramme/milligrammes",
            "g": "gramme/grammes",
            "kg": "kilogramme/kilogrammes",
            "t": "f:tonne/tonnes",
            "ml": "millilitre/millilitres",
            "cl": "centilitre/centilitres",
            "l": "litre/litres",
            "L": "litre/litres",
            "°C": "degré Celsius/degrés Celsius",
            "°": "degré/degrés",
            "s": "f:seconde/secondes",
            "min": "f:minute/minutes",
            "kW": "kilowatt/kilowatts",
            "kWh": "kilowattheure/kilowattheures",
            "Hz": "hertz",
            "MHz": "mégahertz",
            "GHz": "gigahertz",
            "Ko": "kilooctet/kilooctets",
            "Mo": "mégaoctet/mégaoctets",
            "Go": "gigaoctet/gigaoctets",
            "To": "téraoctet/téraoctets",
        }
    ),
    months=tuple(MONTHS),
    textual_date=rf"(?<![\w.,])(?P<d>\d{{1,2}})(?:er)? (?P<m>{_NAMES})(?: (?P<y>\d{{4}}))?(?!\w)",
    date=_date,
    time=_time,
    time_pattern=r"(?<![\w:.,])(?P<h>\d{1,2})(?: ?h ?(?P<min>[0-5]\d)?|:(?P<min2>[0-5]\d))"
    r"(?![\w:]|[.,]\d)",
    before=(
        rule(r"\bMM\. ?(?=[^\W\d_])", "Messieurs "),
        rule(r"\bM\. ?(?=[A-ZÀ-Þ][^\W\d_])", "Monsieur "),
        rule(r"\bMmes\b\.?", "Mesdames"),
        rule(r"\bMme\b\.?", "Madame"),
        rule(r"\bMlle\b\.?", "Mademoiselle"),
        rule(r"\bDr\.? (?=[A-ZÀ-Þ])", "Docteur "),
        rule(r"\bp\. ?ex\.", "par exemple"),
        rule(r"\bc\.-?à-?d\.", "c'est-à-dire"),
        abbreviation(r"\betc\.", "et cetera"),
        rule(r"\b[nN]° ?(?=\d)", "numéro "),
        rule(r"№ ?(?=\d)", "numéro "),
        rule(r"\bp\. ?(?=\d)", "page "),
        rule(r"\bav\. J\.-C\.", "avant Jésus-Christ"),
        rule(r"\bapr\. J\.-C\.", "après Jésus-Christ"),
        rule(r"\b([IVXLC]+)(?:e|ème|er) siècle\b", _century),
    ),
    ordinals=(
        rule(r"(?<![\w.,])1er\b", "premier"),
        rule(r"(?<![\w.,])1(?:re|ère)\b", "première"),
        rule(r"(?<![\w.,])2(?:nde?|d)\b", "second"),
        rule(r"(?<![\w.,])(\d{1,6})(?:e|ème|è|ième)\b", lambda m: ordinal(int(m[1]))),
    ),
    symbols={"&": "et", "§": "paragraphe", "°": "degrés"},
)
RULES = western_rules(_GRAMMAR)
