"""English numbers in words, for whoever asks for them; what `english` makes of a text goes in."""

from __future__ import annotations

import re

from vivavoce.text.normalize.rules import ends_sentence, rule
from vivavoce.text.normalize.western import Grammar, nouns, western_rules

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
MONTHS = (
    "January February March April May June July August September October November December"
).split()


def cardinal(number: int, gender: str = "") -> str:
    """Return 1234 as "one thousand two hundred thirty-four"."""
    for size, name in _SCALES:
        if number >= size:
            many, rest = divmod(number, size)
            words = f"{cardinal(many)} {name}"
            return f"{words} {cardinal(rest)}" if rest else words
    if number >= 100:
        many, rest = divmod(number, 100)
        return f"{_UNITS[many]} hundred" + (f" {cardinal(rest)}" if rest else "")
    if number < 20:
        return _UNITS[number]
    return _TENS[number // 10] + (f"-{_UNITS[number % 10]}" if number % 10 else "")


def ordinal(number: int, gender: str = "") -> str:
    """Return 21 as "twenty-first"."""
    head, sign, last = re.fullmatch(r"(.*?)([- ]?)(\w+)", cardinal(number)).groups()  # type: ignore[union-attr]
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = f"{last[:-1]}ieth"
    else:
        last += "th"
    return head + sign + last


def year(number: int) -> str:
    """Return 1984 as "nineteen eighty-four", 2007 as "two thousand seven"."""
    century, rest = divmod(number, 100)
    if 2000 <= number < 2010 or (rest == 0 and century % 10 == 0):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def _date(match: re.Match[str], day: int, month: int | str, when: int | None) -> str:
    name = MONTHS[month - 1] if isinstance(month, int) else month
    return f"{name} {ordinal(day)}" + (f", {year(when)}" if when is not None else "")


def _time(hour: int, minute: int) -> str:
    if minute == 0:
        return f"{cardinal(hour)} o'clock" if 1 <= hour <= 12 else f"{cardinal(hour)} hundred"
    return f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}"


def _half_day(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2] or 0)
    words = _time(hour, minute) if minute else cardinal(hour)
    stop = "." if match[0].endswith(".") and ends_sentence(match) else ""
    return f"{words} {match[3].upper()} M{stop}"


_NAMES = "|".join(MONTHS)
_GRAMMAR = Grammar(
    cardinal=cardinal,
    decimal=".",
    groups=(",",),
    point="point",
    minus="minus",
    to="to",
    over="over",
    and_="and",
    halves={
        (1, 2): "one half",
        (1, 3): "one third",
        (2, 3): "two thirds",
        (1, 4): "one quarter",
        (3, 4): "three quarters",
    },
    dot="point",
    address="dot slash at dash underscore colon question_mark equals and hash plus percent tilde",
    percent="percent",
    per_mille="per mille",
    scales=nouns({"million": "million", "billion": "billion", "trillion": "trillion"}),
    currencies={
        "$": (nouns({"": "dollar/dollars"})[""], nouns({"": "cent/cents"})[""]),
        "€": (nouns({"": "euro/euros"})[""], nouns({"": "cent/cents"})[""]),
        "£": (nouns({"": "pound/pounds"})[""], nouns({"": "penny/pence"})[""]),
    },
    cents_after=" and ",
    units=nouns(
        {
            "mm": "millimeter/millimeters",
            "cm": "centimeter/centimeters",
            "m": "meter/meters",
            "km": "kilometer/kilometers",
            "km/h": "kilometer per hour/kilometers per hour",
            "mph": "mile per hour/miles per hour",
            "mi": "mile/miles",
            "ft": "foot/feet",
            "in": "inch/inches",
            "m²": "square meter/square meters",
            "km²": "square kilometer/square kilometers",
            "m³": "cubic meter/cubic meters",
            "mg": "milligram/milligrams",
            "g": "gram/grams",
            "kg": "kilogram/kilograms",
            "lb": "pound/pounds",
            "lbs": "pound/pounds",
            "oz": "ounce/ounces",
            "ml": "milliliter/milliliters",
            "l": "liter/liters",
            "L": "liter/liters",
            "°C": "degree Celsius/degrees Celsius",
            "°F": "degree Fahrenheit/degrees Fahrenheit",
            "°": "degree/degrees",
            "min": "minute/minutes",
            "h": "hour/hours",
            "ms": "millisecond/milliseconds",
            "kW": "kilowatt/kilowatts",
            "kWh": "kilowatt hour/kilowatt hours",
            "Hz": "hertz",
            "kHz": "kilohertz",
            "MHz": "megahertz",
            "GHz": "gigahertz",
            "KB": "kilobyte/kilobytes",
            "MB": "megabyte/megabytes",
            "GB": "gigabyte/gigabytes",
            "TB": "terabyte/terabytes",
        }
    ),
    year=year,
    months=tuple(MONTHS),
    month_first=True,
    textual_date=rf"\b(?P<m>{_NAMES}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<y>\d{{4}}))?"
    r"(?![\w:]|[.,]\d)",
    date=_date,
    time=_time,
    time_pattern=r"(?<![\w:.,])(?P<h>\d{1,2}):(?P<min>\d\d)(?![\w:]|[.,]\d)",
    before=(
        rule(r"(?<![\w:.,])(\d{1,2})(?::(\d\d))? ?([AaPp])(?:\.[Mm]\.|[Mm]\b)", _half_day),
        rule(
            r"(?<![\w.,])(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b",
            lambda m: ordinal(int(m[1].replace(",", ""))),
        ),
        rule(r"(?<![\w.,])(\d\d)(\d0)s\b", lambda m: _decade(int(m[1]), int(m[2]))),
    ),
    symbols={"&": "and", "°": "degrees"},
)


def _decade(century: int, tens: int) -> str:
    if tens == 0:
        return f"{cardinal(century)} hundreds" if century != 20 else "two thousands"
    return f"{cardinal(century)} {cardinal(tens)[:-1]}ies"


RULES = western_rules(_GRAMMAR)
