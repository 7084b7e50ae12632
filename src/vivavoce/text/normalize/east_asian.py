"""What the rules of Chinese, Japanese and Korean have in common: digits, addresses, telephones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from vivavoce.text.normalize.rules import LONGEST_NUMBER, Rule
from vivavoce.text.normalize.western import TLD

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_FULL_WIDTH = str.maketrans("０１２３４５６７８９％．，：－＋", "0123456789%.,:-+")


def numbers(cardinal: Callable[[int], str], digits: str, point: str, gap: str = "") -> Say:
    """Return how a language says numbers; `digits` are its ten, `gap` stands between words."""
    return Say(cardinal, digits.split(), point, gap)


class Say:
    """Says numbers as they are written: 1,234.5, 007."""

    def __init__(
        self, cardinal: Callable[[int], str], digits: list[str], point: str, gap: str
    ) -> None:
        self._cardinal = cardinal
        self._digits = digits
        self._point = point
        self._gap = gap

    def __call__(self, written: str) -> str:
        """Say a number."""
        whole, _, part = written.replace(",", "").partition(".")
        if len(whole) > LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0"):
            words = self.digits(whole)
        else:
            words = self._cardinal(int(whole))
        gap = self._gap
        return f"{words}{gap}{self._point}{gap}{self.digits(part)}" if part else words

    def digits(self, written: str) -> str:
        """Say the digits one by one."""
        return self._gap.join(self._digits[int(c)] for c in written if c.isdecimal())


def by_myriads(
    number: int, below: Callable[[int], str], sizes: tuple[str, ...], gap: str = ""
) -> str:
    """Return a number in groups of four digits; `sizes` name them from the second on."""
    groups = []
    for size in ("", *sizes):
        number, group = divmod(number, 10_000)
        if group:
            groups.append(below(group) + size)
        if not number:
            break
    return gap.join(reversed(groups))


def below_myriad(number: int, digits: Sequence[str], names: str) -> str:
    """Return a number below 10,000; `names` are those of 1000, 100 and 10, said without a one."""
    words = ""
    for size, name in zip((1000, 100, 10, 1), (*names, ""), strict=True):
        digit, number = divmod(number, size)
        if digit:
            words += ("" if digit == 1 and name else digits[digit]) + name
    return words


def address_rules(names: dict[str, str], digits: Callable[[str], str]) -> tuple[Rule, ...]:
    """Return the rules for URLs and e-mail; `names` are those of the signs in them."""

    def say(match: re.Match[str]) -> str:
        body = match.group(0).rstrip(".,;:!?)\"'")
        tail = match.group(0)[len(body) :]
        body = re.sub(r"^(?:https?://|mailto:)?(?:www\.)?", "", body, flags=re.I).rstrip("/")
        spoken = "".join(f" {names[c]} " if c in names else c for c in body)
        spoken = re.sub(r"\d+", lambda m: f" {digits(m.group(0))} ", spoken)
        return " ".join(spoken.split()) + tail

    end = r"[\w.~:/?#@!$&'()*+,;=%-]"
    host = r"[A-Za-z\d-]{1,63}(?:\.[A-Za-z\d-]{1,63}){0,3}"
    return (
        (re.compile(rf"(?:https?://|(?<![A-Za-z])www\.)(?:(?![^\x00-\x7f]){end})+", re.I), say),
        (re.compile(r"[A-Za-z\d.+_-]{1,64}@[A-Za-z\d-]{1,63}(?:\.[A-Za-z\d-]{1,63}){1,4}"), say),
        (
            re.compile(
                rf"(?<![A-Za-z\d.@-]){host}\.(?:{TLD})(?![A-Za-z\d-])(?:/(?:(?![^\x00-\x7f]){end})*)?"
            ),
            say,
        ),
    )


def telephone_rules(digits: Callable[[str], str], plus: str, comma: str) -> tuple[Rule, ...]:
    """Return the rules for telephone numbers: digit by digit, with pauses between groups."""

    def say(match: re.Match[str]) -> str:
        groups = comma.join(digits(group) for group in re.findall(r"\d+", match.group(0)))
        return plus + groups if match.group(0).startswith("+") else groups

    return (
        (re.compile(r"\+\d{1,3}(?:[ -]?\d{2,5}){2,5}(?!\d)"), say),
        (re.compile(r"(?<![\d.,-])0\d{1,4}[- ]\d{2,8}(?:[- ]\d{3,4})?(?![\d-])"), say),
        (
            re.compile(
                r"(?<![\d.,-])\d{3,4}-\d{4}-\d{4}(?![\d-])|(?<![\d.,-])\d{3}-\d{8}(?![\d-])"
            ),
            say,
        ),
    )


def half_width(text: str) -> str:
    """Return the text with full-width digits beside each other, and their signs, made plain."""
    return re.sub(
        r"[０-９](?:[０-９％．，：－]*[０-９％])?",
        lambda m: m.group(0).translate(_FULL_WIDTH),
        text,
    )
