"""What English signs and abbreviations stand for: the tables of `english`."""

from __future__ import annotations

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SCALES = {
    "k": "thousand",
    "m": "million",
    "b": "billion",
    "t": "trillion",
    "mm": "million",
    "mn": "million",
    "bn": "billion",
    "tn": "trillion",
}
SHORT_SCALES = "|".join(SCALES)
MONEY: dict[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
}
PERIODS = {"hr": "hour", "wk": "week", "mo": "month", "yr": "year"}
COUNTRIES = {
    "US": "US ",
    "A": "Australian ",
    "AU": "Australian ",
    "C": "Canadian ",
    "CA": "Canadian ",
    "HK": "Hong Kong ",
    "NZ": "New Zealand ",
    "S": "Singapore ",
}
ACCENTED = frozenset(
    "ÀÁÂÃÄÅÆÇÉÊÌÍÎÏÑÒÓÔÕÖØÚÜÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿĀāĂăąĆćČčĎďĐđĒēĕĖėęěĝĞğġģīĭİıķļĽľŁłńņňŋ"
    "ŌōŏőŒœŘřŚśŞşŠšţťūŭŮůŰųŵźŻżŽžơưǎǐǒǔǚșțə"
)
"""The letters outside ASCII that the embedded voice knows. It passes over others in silence."""
STROKED = {"Ħ": "H", "ħ": "h", "Ŧ": "T", "ŧ": "t", "Ə": "A"}
URL_WORDS = {
    ".": " dot ",
    "/": " slash ",
    "?": " question mark ",
    "=": " equals ",
    "&": " and ",
    "#": " hash ",
    "-": " dash ",
    "_": " underscore ",
    ":": " colon ",
    "@": " at ",
    "+": " plus ",
    "%": " percent ",
    "~": " tilde ",
}
TLD = "com|org|net|io|dev|ai|app|gov|edu|info|me|tv|co|uk|us|de|fr|it|es|jp|cn|ru|ch|eu|au|ca|xyz"
MONTHS = "January February March April June July August September October November December"
BEFORE_NUMBER = {
    **{month[:3].lower(): month for month in MONTHS.split()},
    "sept": "September",
    "no": "number",
    "nos": "numbers",
    "p": "page",
    "pp": "pages",
    "vol": "volume",
    "ch": "chapter",
    "sec": "section",
    "fig": "figure",
    "figs": "figures",
    "eq": "equation",
    "ref": "reference",
    "apt": "apartment",
    "tel": "telephone",
    "ext": "extension",
    "approx": "approximately",
    "avg": "average",
    "max": "maximum",
    "min": "minimum",
}
LENGTHS = {
    "mm": "millimeters",
    "cm": "centimeters",
    "m": "meters",
    "km": "kilometers",
    "in": "inches",
    "ft": "feet",
    "yd": "yards",
    "mi": "miles",
}
MICRO = {"g": "micrograms", "m": "micrometers", "s": "microseconds", "l": "microliters"}
SYMBOLS = {
    "≈": "about",
    "≤": "at most",
    "≥": "at least",
    "≠": "is not equal to",
    "±": "plus or minus",
    "−": "minus",
    "×": "times",
    "÷": "divided by",
    "√": "square root of",
    "∞": "infinity",
    "∆": "delta",
    "→": "to",
    "µ": "micro",
    "²": "squared",
    "³": "cubed",
    "§": "section",
    "¢": "cents",
    "№": "number",
}
GREEK_LETTERS = "αβγδεζηθικλμνξοπρσςτυφχψω"
GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "sigma sigma tau upsilon phi chi psi omega"
)
GREEK = dict(zip(GREEK_LETTERS, GREEK_NAMES.split(), strict=True))
