"""English: money, percent, telephone numbers, addresses and versions, written out as words.

Plain numbers, dates, times and units are left as they are: the embedded voice reads those well.
Rules run in the order of `_RULES`; each is linear in the length of the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_AMOUNT = r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?"
_SCALE = r"(?:\s?(hundred|thousand|million|billion|trillion|[kKmMbB](?:n\b)?)(?![\w]))?"
_SCALES = {"k": "thousand", "m": "million", "b": "billion", "mn": "million", "bn": "billion"}
_MONEY: dict[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
}
_COUNTRIES = {
    "US": "US ",
    "A": "Australian ",
    "AU": "Australian ",
    "C": "Canadian ",
    "CA": "Canadian ",
}
_URL_WORDS = {
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
_TLD = "com|org|net|io|dev|ai|app|gov|edu|info|me|tv|co|uk|us|de|fr|it|es|jp|cn|ru|ch|eu|xyz"
_SYMBOLS = {
    "≈": "about",
    "≤": "at most",
    "≥": "at least",
    "≠": "is not equal to",
    "±": "plus or minus",
    "×": "times",
    "÷": "divided by",
    "→": "to",
    "µ": "micro",
    "²": "squared",
    "³": "cubed",
    "½": "1/2",
    "⅓": "1/3",
    "¼": "1/4",
    "¾": "3/4",
    "§": "section",
    "¢": "cents",
    "№": "number",
}
_GREEK_LETTERS = "αβγδεζηθικλμνξοπρσςτυφχψω"
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "sigma sigma tau upsilon phi chi psi omega"
)
_GREEK = dict(zip(_GREEK_LETTERS, _GREEK_NAMES.split(), strict=True))


def normalize_english(text: str) -> str:
    """Return `text` with what the embedded voice misreads written out; line breaks are kept."""
    for pattern, reading in _RULES:
        text = pattern.sub(reading, text)
    return re.sub(r" {2,}", " ", text).strip()


def _spell(digits: str) -> str:
    return " ".join(_DIGITS[int(d)] for d in digits if d.isdigit())


def _address(match: re.Match[str]) -> str:
    """Read a URL, host or e-mail address; what ends the sentence after it stays punctuation."""
    address = match.group(0)
    body = address.rstrip(".,;:!?)\"'")
    tail = address[len(body) :]
    body = re.sub(r"^(?:https?|ftp)://", "", body)
    body = re.sub(r"^www\.", "", body).rstrip("/")
    return "".join(_URL_WORDS.get(c, c) for c in body).strip() + tail


def _money(sign: str, country: str, symbol: str, match: re.Match[str], first: int) -> str:
    """Read an amount whose whole, fraction and scale are groups `first`, +1, +2 of `match`."""
    whole, fraction, scale = match.group(first), match.group(first + 1), match.group(first + 2)
    one, many, cent, cents = _MONEY[symbol]
    land = _COUNTRIES.get(country, "")
    minus = "minus " if sign else ""
    if scale:
        number = whole + (f".{fraction}" if fraction else "")
        return f"{minus}{number} {_SCALES.get(scale.lower(), scale)} {land}{many}"
    if fraction and (len(fraction) > 2 or not cent):
        return f"{minus}{whole}.{fraction} {land}{many}"
    minor = int(fraction.ljust(2, "0")) if fraction else 0
    minor_words = f"{minor} {cent if minor == 1 else cents}" if minor else ""
    major_words = f"{whole} {land}{one if whole == '1' else many}"
    if minor and whole == "0":
        return minus + minor_words
    return minus + major_words + (f" and {minor_words}" if minor else "")


def _money_before(match: re.Match[str]) -> str:
    return _money(match.group(1), match.group(2) or "", match.group(3), match, 4)


def _money_after(match: re.Match[str]) -> str:
    return _money("", "", match.group(4), match, 1)


def _money_range(match: re.Match[str]) -> str:
    symbol, low, high, scale = match.groups()
    words = f" {_SCALES.get(scale.lower(), scale)}" if scale else ""
    return f"{low} to {high}{words} {_MONEY[symbol][1]}"


def _phone(match: re.Match[str]) -> str:
    """Read a telephone number digit by digit, a pause between its groups."""
    number = match.group(0)
    groups = re.findall(r"\d+", number)
    if not 7 <= sum(map(len, groups)) <= 15:
        return number
    plus = "plus " if number.startswith("+") else ""
    return plus + ", ".join(_spell(group) for group in groups)


def _dotted(match: re.Match[str]) -> str:
    """Read a version (2.0.1) or an IPv4 address part by part."""
    parts = match.group(2).split(".")
    is_ip = len(parts) == 4 and all(int(p) <= 255 for p in parts) and not match.group(1)
    joined = (" dot " if is_ip else " point ").join(parts)
    return ("version " if match.group(1) else "") + joined


_CURRENCY = "[" + re.escape("".join(_MONEY)) + "]"
_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # A link's label is what is read. (The voice's own pronunciation syntax looks like a link.)
    (re.compile(r"!?\[([^\[\]\n]*)\]\([^()\s]*\)"), r"\1"),
    (re.compile(r"\b(?:https?://|ftp://|www\.)[^\s<>\"]+"), _address),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}\b"), _address),
    (
        re.compile(
            rf"(?<![\w.@-])[a-z\d-]{{1,63}}(?:\.[a-z\d-]{{1,63}}){{0,3}}\.(?:{_TLD})\b(?:/[^\s<>\"]*)?"
        ),
        _address,
    ),
    (
        re.compile(rf"({_CURRENCY})(\d+(?:\.\d+)?)\s?[-–]\s?{_CURRENCY}?(\d+(?:\.\d+)?){_SCALE}"),
        _money_range,
    ),
    (
        re.compile(rf"(?:(?<![\w\d])(-)\s?)?(US|AU?|CA?)?({_CURRENCY})\s?{_AMOUNT}{_SCALE}"),
        _money_before,
    ),
    (re.compile(rf"(?<![\w.,]){_AMOUNT}{_SCALE}\s?({_CURRENCY})(?!\d)"), _money_after),
    (re.compile(r"(?<=\d)\s?[-–]\s?(\d+(?:\.\d+)?)\s?%"), r" to \1 percent"),
    (re.compile(r"(?<=\d)\s?%"), " percent"),
    (re.compile(r"(?<=\d)\s?‰"), " per mille"),
    # +44 20 7946 0958; 1-800-555-0199; (555) 123-4567; 555.123.4567; 020 7946 0958
    (re.compile(r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){1,6}(?![\d\w])"), _phone),
    (
        re.compile(r"(?<![\w.,-])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[ .-]\d{4}(?![\w-])"),
        _phone,
    ),
    (re.compile(r"(?<![\w.,-])0\d{2,4} \d{3,4} ?\d{3,4}(?![\w-])"), _phone),
    (re.compile(r"(?<![\w.])([vV])?(\d{1,9}(?:\.\d{1,9}){2,5})(?![\w.]*\w)"), _dotted),
    (re.compile(r"(?<![\w.])[vV](?=\d)"), "version "),
    (re.compile(r"\b24/7\b"), "twenty-four seven"),
    (re.compile(r"(?<=\bC)\+\+"), " plus plus"),
    (re.compile(r"\b([CF])#"), r"\1 sharp"),
    (re.compile(r"\be\.\s?g\.,?"), "for example"),
    (re.compile(r"\bi\.\s?e\.,?"), "that is"),
    (re.compile(r"~\s?(?=\d)"), "about "),
    (re.compile(r"(?<=\d)\s?([½⅓¼¾])"), r" and \1"),
    (re.compile("[" + "".join(_SYMBOLS) + "]"), lambda m: f" {_SYMBOLS[m.group(0)]} "),
    (
        re.compile(rf"(?<![^\W\d_])[{''.join(_GREEK)}{''.join(_GREEK).upper()}](?![^\W\d_])"),
        lambda m: _GREEK[m.group(0).lower()],
    ),
    # Rows of the same mark (rules, emphasis) are not words.
    (re.compile(r"([^\w\s.!?])\1{2,}"), " "),
    (re.compile(r"(?<=\w)\s?\*\s?(?=\w)"), " times "),
    (re.compile(r"[*`]+"), ""),
)
