"""English: money, percent, telephone numbers, addresses and versions, written out as words.

Numbers, dates, times and units are left as they are where the embedded voice reads them well.
Rules run in the order of `_RULES`; each is linear in the length of the text, and none reaches
across a line break. What they make of a text, they leave as it is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from vivavoce.text.normalize.english_words import (
    ACCENTED,
    BEFORE_NUMBER,
    COUNTRIES,
    DIGITS,
    GREEK,
    GREEK_LETTERS,
    LENGTHS,
    MICRO,
    MONEY,
    PERIODS,
    SCALES,
    SHORT_SCALES,
    STROKED,
    SYMBOLS,
    TLD,
    URL_WORDS,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    _Match = re.Match[str]
    _Reading = Callable[[_Match], str]


def normalize_english(text: str) -> str:
    """Return `text` with what the embedded voice misreads written out; line breaks are kept."""
    for pattern, reading in _RULES:
        text = pattern.sub(reading, text)
    return re.sub(r" {2,}", " ", text).strip()


def _apart(match: _Match, words: str) -> str:
    """Return `words`, with a space where the text would otherwise touch them."""
    before = match.string[max(0, match.start() - 1) : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return (" " if before.isalnum() else "") + words + (" " if after.isalnum() else "")


def _known(match: _Match) -> str:
    """Return the letter or digit if the voice knows it, else the plain one: ễ as e, 𝐛 as b."""
    char = match.group(0)
    if unicodedata.category(char) == "Nd":
        return str(unicodedata.digit(char))
    if char in ACCENTED or unicodedata.category(char) in ("No", "Nl"):
        return char
    if char in "℃℉":
        return unicodedata.normalize("NFKC", char)
    plain = unicodedata.normalize("NFKC", char)
    plain = plain if plain.isascii() else unicodedata.normalize("NFD", plain)[0]
    return STROKED.get(char, plain if plain.isascii() else char)


def _plain(match: _Match) -> str:
    return unicodedata.normalize("NFKC", match.group(0)).replace("⁄", "/")


def _number_sign(match: _Match) -> str:
    """Read ① or Ⅳ; letters stay."""
    is_letter = unicodedata.category(match.group(0)).startswith("L")
    return match.group(0) if is_letter else _apart(match, _plain(match))


def _spell(digits: str) -> str:
    return " ".join(DIGITS[int(d)] for d in digits)


def _spell_groups(match: _Match) -> str:
    """Read digit by digit, a pause between the groups of digits."""
    return ", ".join(_spell(group) for group in re.findall(r"\d+", match.group(0)))


def _international(match: _Match) -> str:
    if not 7 <= sum(c.isdecimal() for c in match.group(0)) <= 15:
        return match.group(0)
    return "plus " + _spell_groups(match)


def _hyphenated(match: _Match) -> str:
    """Read a telephone, card or social security number; dates are left alone."""
    is_date = _DATE.fullmatch(match.group(0))
    return match.group(0) if is_date else _spell_groups(match)


def _address(match: _Match) -> str:
    """Read a URL, host or e-mail address; what ends the sentence after it stays punctuation."""
    address = match.group(0)
    body = address.rstrip(".,;:!?)\"'")
    tail = address[len(body) :]
    body = re.sub(r"^(?:https?|ftp)://", "", body, flags=re.IGNORECASE)
    body = re.sub(r"^www\.", "", body, flags=re.IGNORECASE).rstrip("/")
    return "".join(URL_WORDS.get(c, c) for c in body).strip() + tail


def _amount(name: str) -> str:
    """Return a pattern for an amount: 5, 1,250.50, .99, 3 million, 10k."""
    return (
        rf"(?P<{name}>\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}(?!\d)|\d+|(?=\.\d))"
        rf"(?:\.(?P<{name}_fraction>\d+))?"
        rf"(?:[ -]?(?P<{name}_scale>(?i:hundred|thousand|million|billion|trillion|{SHORT_SCALES}))"
        r"(?![\w&]))?"
    )


def _number(match: _Match, name: str) -> str:
    """Read the amount `name` without its unit."""
    fraction, scale = match[f"{name}_fraction"], match[f"{name}_scale"]
    return (
        (match[name] or "0")
        + (f".{fraction}" if fraction else "")
        + (f" {SCALES.get(scale.lower(), scale.lower())}" if scale else "")
    )


def _money(match: _Match, name: str, symbol: str, land: str = "") -> str:
    """Read the amount `name` with its unit: 1 dollar, 2 pounds and 50 pence, 5 million euros."""
    one, many, cent, cents = MONEY[symbol]
    if _is_adjective(match):
        many, cents = one, cent
    whole, fraction = match[name] or "0", match[f"{name}_fraction"] or ""
    if match[f"{name}_scale"] or len(fraction) > 2 or (fraction and not cent):
        return f"{_number(match, name)} {land}{many}"
    major = f"{whole} {land}{one if whole == '1' else many}"
    minor_number = int(fraction.ljust(2, "0"))
    if not minor_number:
        return major
    minor = f"{minor_number} {cent if minor_number == 1 else cents}"
    return minor if whole == "0" else f"{major} and {minor}"


def _is_adjective(match: _Match) -> bool:
    """Tell whether an amount describes what follows, as in "a $5 million deal"."""
    before = match.string[max(0, match.start() - 4) : match.start()]
    after = match.string[match.end() : match.end() + 2]
    return bool(re.search(r"(?:^|\W)[Aa]n? $", before) and re.match(r"[ -][A-Za-z]", after))


def _money_before(match: _Match) -> str:
    land = COUNTRIES.get(match["land"] or "", "")
    minus = "minus " if match["sign"] or match["sign_inside"] else ""
    return _apart(match, minus + _money(match, "amount", match["symbol"], land))


def _money_after(match: _Match) -> str:
    return _apart(match, _money(match, "amount", match["symbol"]))


def _comma(match: _Match) -> str:
    """Return 1.250,50 as 1250.50."""
    return f"{match.group(1).replace('.', '')}.{match.group(2)}"


def _money_range(match: _Match) -> str:
    symbol = match["symbol"]
    if (match["low_fraction"] or match["high_fraction"]) and not match["high_scale"]:
        words = f"{_money(match, 'low', symbol)} to {_money(match, 'high', symbol)}"
    else:
        unit = MONEY[symbol][0 if _is_adjective(match) else 1]
        words = f"{_number(match, 'low')} to {_number(match, 'high')} {unit}"
    return _apart(match, words)


def _dotted(match: _Match) -> str:
    """Read a version (2.0.1) or an IPv4 address part by part."""
    parts = match.group(0).split(".")
    is_version = match.string.endswith(("version ", "Version "), 0, match.start())
    is_ip = len(parts) == 4 and all(int(p) <= 255 for p in parts) and not is_version
    return (" dot " if is_ip else " point ").join(parts)


def _power(match: _Match) -> str:
    exponent = unicodedata.normalize("NFKC", match.group(0)).replace("−", "minus ")
    return _apart(match, f" to the power of {exponent}")


def _say(words: str) -> _Reading:
    return lambda match: _apart(match, words)


def _say_from(words: dict[str, str], before: str = "") -> _Reading:
    """Say what the first group stands for, in place of all that matched."""
    return lambda match: _apart(match, before + words[match.group(1).lower()])


_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}-\d{1,2}-(?:\d{4}|\d\d)")
_DAYS = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
_ZONES = "Eastern|Central|Mountain|Pacific|[A-Z]{1,3}T|UTC"
_CURRENCY = "[" + "".join(MONEY) + "]"
_RULES: tuple[tuple[re.Pattern[str], str | _Reading], ...] = (
    # Letters and digits the voice does not know, full-width forms: the nearest it knows.
    (re.compile(r"[^\W_a-zA-Z0-9]|[\uff01-\uff5e\uffe0-\uffe6℃℉]"), _known),
    # Markdown. Of a link the label is read. Lists are numbered with a colon: a full stop would end
    # the sentence.
    (re.compile(r"!?\[([^\[\]\n]*)\]\((?:[^()\n]|\([^()\n]*\))*\)"), r"\1"),
    (re.compile(r"^ *(?:#{1,6} +|> ?|[-*+•] +)", re.MULTILINE), ""),
    (re.compile(r"^( *\d{1,3})[.)] +(?=[^\W\d])", re.MULTILINE), r"\1: "),
    (re.compile(r"(?<=\w) \* (?=\w)|(?<=\d)\*(?=\d)"), " times "),
    (re.compile(r"[*`]+|~~"), ""),
    # Addresses
    (re.compile(r"<(?=(?i:https?|ftp|mailto):|[\w.+-]+@)([^\s<>]+)>"), r"\1"),
    (re.compile(r"\b(?i:https?://|ftp://|www\.)[^\s<>\"]+"), _address),
    (re.compile(r"\bmailto:"), ""),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}\b"), _address),
    (
        re.compile(
            r"(?<![\w.@-])[A-Za-z\d-]{1,63}(?:\.[A-Za-z\d-]{1,63}){0,3}"
            rf"\.(?:{TLD})\b(?:/[^\s<>\"]*)?"
        ),
        _address,
    ),
    # Money
    (re.compile(rf"(?<={_CURRENCY})(\d{{1,3}}(?:\.\d{{3}})*),(\d\d)(?![\d,])"), _comma),
    (re.compile(rf"(?<![\d.,])(\d{{1,3}}(?:\.\d{{3}})*),(\d\d)(?= ?{_CURRENCY})"), _comma),
    (re.compile(r"\bRs\.? ?(?=\d)"), "₹"),
    (
        re.compile(
            rf"(?P<symbol>{_CURRENCY}) ?{_amount('low')} ?[-–] ?{_CURRENCY}? ?{_amount('high')}"
        ),
        _money_range,
    ),
    (
        re.compile(
            r"(?:(?<![\w)])(?P<sign>[-−–]))?(?:(?<!\w)(?P<land>US|AU?|CA?|HK|NZ|S))?"
            rf"(?P<symbol>{_CURRENCY}) ?(?P<sign_inside>[-−])?{_amount('amount')}"
        ),
        _money_before,
    ),
    (re.compile(rf"(?<![\w.,]){_amount('amount')} ?(?P<symbol>{_CURRENCY})(?!\d)"), _money_after),
    (
        re.compile(r"\b(dollars?|cents?|euros?|pounds?|pence|penny|yen|rupees?|won)/([a-z]+)"),
        lambda m: f"{m.group(1)} per {PERIODS.get(m.group(2), m.group(2))}",
    ),
    # Percent
    (re.compile(r"(?<=\d) ?%?(?:[-–]| [-–] )(\d+(?:\.\d+)?) ?%"), r" to \1%"),
    (re.compile(r"(?<=\d) ?%"), _say("percent")),
    (re.compile(r"(?<=\d) ?‰"), _say("per mille")),
    # Digit by digit: +44 20 7946 0958; 1-800-555-0199; 4111 1111 1111 1111; (555) 123-4567;
    # 555 123 4567; 020 7946 0958; 007
    (re.compile(r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){1,6}+(?!\w)"), _international),
    (re.compile(r"(?<![\w.,-])\d+(?:-\d+){2,}(?![\w-])"), _hyphenated),
    (re.compile(r"(?<![\w.,-])\d{4}(?: \d{4}){3}(?![\w-])"), _spell_groups),
    (
        re.compile(r"(?<![\w.,-])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"),
        _spell_groups,
    ),
    (re.compile(r"(?<![\w.,-])0\d{2,4} \d{3,4} ?\d{3,4}(?![\w-])"), _spell_groups),
    (re.compile(r"(?<![\w.,:/-])(?<!\d )0\d{2,}(?![\w:/-]|[.,]\d)"), _spell_groups),
    # The voice has no word for 10 to the 36th, and fails.
    (
        re.compile(r"\d(?:,?\d){36,}"),
        lambda match: _apart(match, _spell(match.group(0).replace(",", ""))),
    ),
    # Versions, IP addresses, decimals whose last zeros the voice drops (3.10)
    (re.compile(r"(?<![\w.])(?:[vV]ersion )?[vV](?=\d)"), "version "),
    (re.compile(r"(?<![\w.])\d{1,9}(?:\.\d{1,9}){2,5}(?![\w.]*\w)"), _dotted),
    (re.compile(r"(?<![\w.,:])(1?\d)\.([0-5]\d)(?= ?[AaPp]\.?[Mm]\b)"), r"\1:\2"),
    (
        re.compile(r"(?<![\w.,:])(\d{1,3}(?:,\d{3})+|\d+)\.(\d*0)(?!\d|\.\d)"),
        lambda m: f"{m.group(1)} point {' '.join(m.group(2))}",
    ),
    # Times and measures
    (re.compile(rf"(?<=\d) ?([ap])\.m\.(?= (?:{_DAYS}|{_ZONES})\b)"), r" \1m"),
    (re.compile(r"(?<=\d) ?am\b(?! [Ii]\b)"), " AM"),
    (
        re.compile(
            r"((?<!\d)\d{1,2}(?::\d\d)?(?: ?[AaPp]\.?[Mm]\.?)?) ?[-–] ?"
            r"(?=\d{1,2}(?::\d\d| ?[AaPp]\.?[Mm]\b))"
        ),
        r"\1 to ",
    ),
    (re.compile(r"(?<![\w.])(\d)['’′] ?(\d{1,2})(?:[\"”″]|'')"), r"\1 foot \2"),
    (re.compile(r"(?<=\d)(?<!\b0)x(?=\d)"), " by "),
    (re.compile(r"(?<=\d) x (?=\d)"), " times "),
    (re.compile(r"(?<=\d) ?(km|cm|mm|m|mi|in|ft|yd)²(?!\w)"), _say_from(LENGTHS, "square ")),
    (re.compile(r"(?<=\d) ?(km|cm|mm|m|mi|in|ft|yd)³(?!\w)"), _say_from(LENGTHS, "cubic ")),
    (re.compile(r"(?<=\d) ?[µμ]([gmslL])\b"), _say_from(MICRO)),
    (re.compile(r"(?<=\d)(?:⁻?[⁰¹²³⁴-⁹]{2,}|⁻[⁰¹²³⁴-⁹]|[⁰⁴-⁹])"), _power),
    (re.compile(r"(?<=\d) ?([¼-¾⅐-⅞])"), lambda m: f" and {_plain(m).strip()}"),
    (re.compile(r"[¼-¾⅐-⅞]"), _plain),
    (re.compile(r"\b24/7\b"), "twenty-four seven"),
    (re.compile(r"\b50/50\b"), "fifty-fifty"),
    # Abbreviations. The voice reads "no." as number, wherever it stands.
    (
        re.compile(rf"\b({'|'.join(BEFORE_NUMBER)})\. ?(?=\d)", re.IGNORECASE),
        _say_from(BEFORE_NUMBER),
    ),
    (re.compile(r"\b(no|[Tt]he Sun)\.(?!\w)"), r"\1 ."),
    (re.compile(r"\be\. ?g\.,? ?"), "for example "),
    (re.compile(r"\bE\. ?g\.,? ?"), "For example "),
    (re.compile(r"\bi\. ?e\.,? ?"), "that is "),
    (re.compile(r"\bI\.e\.,? ?"), "That is "),
    (re.compile(r"\bvs?\. (?=[A-Z])"), "versus "),
    # Symbols and single letters
    (re.compile(r"\b([CNS])O[2₂](?!\w)"), r"\1 O 2"),
    (re.compile(r"(?<=\bC)\+\+"), " plus plus"),
    (re.compile(r"\b([CFcf])#"), r"\1 sharp"),
    (re.compile(r"~ ?(?=\d)"), "about "),
    (re.compile(r"(?<![\w)])−(?=\d)"), "-"),
    (re.compile(f"([{''.join(SYMBOLS)}])"), _say_from(SYMBOLS)),
    (
        re.compile(rf"(?<![Ͱ-Ͽἀ-῿])([{GREEK_LETTERS}{GREEK_LETTERS.upper()}])(?![Ͱ-Ͽἀ-῿])"),
        _say_from(GREEK),
    ),
    (re.compile(r"[^\W_a-zA-Z0-9²³]"), _number_sign),
    # Dashes between words are pauses; other rows of one mark are nothing.
    (re.compile(r"(?<=[\w,]) ?-{2,3} ?(?=\w)|(?<=[^\W\d]) - (?=\w)"), " — "),
    (re.compile(r"([^\w\s.!?])\1{2,}"), " "),
    # What else looks like a link is the voice's own syntax for pronunciations.
    (re.compile(r"\]\("), "] ("),
)
