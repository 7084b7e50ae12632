"""The rules that languages with an alphabet and blanks between words have in common.

A `Grammar` is one language's words and its way with numbers; `western_rules` makes rules of it that
leave no digit in a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from vivavoce.text.normalize.rules import (
    LONGEST_NUMBER,
    VULGAR,
    Rule,
    either,
    ends_sentence,
    rule,
)

_Match = re.Match[str]
TLD = "com|org|net|io|dev|ai|app|gov|edu|info|me|tv|co|uk|us|de|fr|it|es|pt|br|jp|cn|kr|ru|ch|at|eu"
_ADDRESS_SIGNS = "./@-_:?=&#+%~"


@dataclass(frozen=True, slots=True)
class Noun:
    """What is counted: its forms (which of them, `Grammar.plural` says) and its gender."""

    forms: tuple[str, ...]
    gender: str = "m"


def nouns(words: dict[str, str]) -> dict[str, Noun]:
    """Read a table of nouns: `f:hora/horas`; no gender is masculine, one form is all of them."""
    table = {}
    for name, written in words.items():
        gender, _, forms = written.rpartition(":")
        table[name] = Noun(tuple(forms.split("/")), gender or "m")
    return table


def one_or_many(number: int) -> int:
    """Tell the form of a noun as most languages do: only one of a thing is singular."""
    return 0 if number == 1 else 1


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """A language's words.

    `cardinal` and `ordinal` take a number and a gender: "" as it is counted, or "m", "f", "n"
    before a noun. `groups` are the signs between thousands, `decimal` that before a fraction.
    `agree` tells the gender of the word that follows a number. `textual_date` finds `d`, `m` and
    perhaps `y`; `date` and `time` say them. `address` names the signs ./@-_:?=&#+%~ of addresses.
    """

    cardinal: Callable[[int, str], str]
    plural: Callable[[int], int] = one_or_many
    fraction_plural: int = -1
    agree: Callable[[int, str], str] = lambda _number, _word: ""
    decimal: str = ","
    groups: tuple[str, ...] = (".", " ")
    point: str
    fraction: Callable[[int, str], str] | None = None
    minus: str
    plus: str = "plus"
    to: str
    over: str
    and_: str
    halves: dict[tuple[int, int], str] = field(default_factory=dict)
    dot: str
    address: str
    percent: str
    per_mille: str
    scales: dict[str, Noun]
    of_scale: Callable[[str], str] = lambda noun: f" {noun}"
    currencies: dict[str, tuple[Noun, Noun | None]]
    cents_after: str
    units: dict[str, Noun]
    year: Callable[[int], str] | None = None
    months: tuple[str, ...]
    month_first: bool = False
    textual_date: str
    date: Callable[[_Match, int, int | str, int | None], str]
    time: Callable[[int, int], str]
    time_pattern: str
    before: tuple[Rule, ...] = ()
    ordinals: tuple[Rule, ...] = ()
    symbols: dict[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """A pattern for a number without a sign."""
        groups = "|".join(rf"\d{{1,3}}(?:{re.escape(sign)}\d{{3}})+(?!\d)" for sign in self.groups)
        return rf"(?:{groups}|\d+)(?:{re.escape(self.decimal)}\d+)?"

    def parse(self, written: str) -> tuple[str, str]:
        """Return the digits before and after the decimal sign."""
        whole, _, part = written.partition(self.decimal)
        return re.sub(r"\D", "", whole), part

    def digits(self, written: str) -> str:
        """Say the digits one by one."""
        return " ".join(self.cardinal(int(d), "") for d in written if d.isdecimal())

    def say(self, written: str, gender: str = "") -> str:
        """Say a number as it is written: 1.234,5."""
        whole, part = self.parse(written)
        if len(whole) > LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0"):
            words = self.digits(whole)
        else:
            words = self.cardinal(int(whole), gender if not part else "")
        if not part:
            return words
        if self.fraction is not None:
            return self.fraction(int(whole), part)
        return f"{words} {self.point} {self.digits(part)}"

    def count(self, written: str, noun: Noun) -> str:
        """Say a number with what it counts."""
        return f"{self.say(written, noun.gender)} {self.form(written, noun)}"

    def form(self, written: str, noun: Noun) -> str:
        """Return the form of a noun after a number."""
        whole, part = self.parse(written)
        index = self.fraction_plural if part else self.plural(int(whole))
        return noun.forms[min(index, len(noun.forms) - 1)] if index >= 0 else noun.forms[-1]


def by_two_digits(cardinal: Callable[[int, str], str], point: str) -> Callable[[int, str], str]:
    """Return a reading of fractions as numbers of up to two digits, longer ones digit by digit."""

    def say(whole: int, part: str) -> str:
        zeros = len(part) - len(part.lstrip("0"))
        rest = part[zeros:]
        words = [cardinal(0, "")] * zeros
        if rest:
            short = len(part) <= 2
            words += [cardinal(int(rest), "")] if short else [cardinal(int(d), "") for d in rest]
        return f"{cardinal(whole, '')} {point} {' '.join(words)}"

    return say


def western_rules(g: Grammar) -> tuple[Rule, ...]:
    """Return all the rules of a language, in their order."""
    return (
        *_addresses(g),
        *g.before,
        *_telephones(g),
        *_dates(g),
        *_times(g),
        *_money(g),
        *_measures(g),
        *g.ordinals,
        *_numbers(g),
        *[rule(rf"{re.escape(sign)}", _said(words)) for sign, words in g.symbols.items()],
    )


def _said(words: str) -> Callable[[_Match], str]:
    return lambda _match: f" {words} "


def _addresses(g: Grammar) -> tuple[Rule, ...]:
    names = dict(zip(_ADDRESS_SIGNS, g.address.split(), strict=True))

    def say(match: _Match) -> str:
        whole = match.group(0)
        body = whole.rstrip(".,;:!?)\"'»”")
        tail = whole[len(body) :]
        body = re.sub(r"^(?:(?:https?|ftp)://|mailto:)(?:www\.)?|^www\.", "", body, flags=re.I)
        spoken = "".join(
            f" {names[c].replace('_', ' ')} " if c in names else c for c in body.rstrip("/")
        )
        return re.sub(r"\d+", lambda m: f" {g.digits(m.group(0))} ", spoken).strip() + tail

    return (
        rule(r"\b(?:https?://|ftp://|www\.)[^\s<>\"«»]+", say, any_case=True),
        rule(r"\b(?:mailto:)?[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}\b", say),
        rule(
            r"(?<![\w.@-])[A-Za-z\d-]{1,63}(?:\.[A-Za-z\d-]{1,63}){0,3}"
            rf"\.(?:{TLD})\b(?:/[^\s<>\"«»]*)?",
            say,
        ),
    )


def _telephones(g: Grammar) -> tuple[Rule, ...]:
    def groups(match: _Match) -> str:
        return ", ".join(g.digits(group) for group in re.findall(r"\d+", match.group(0)))

    def international(match: _Match) -> str:
        known = 7 <= sum(c.isdecimal() for c in match.group(0)) <= 15
        return f"{g.plus} {groups(match)}" if known else match.group(0)

    return (
        rule(r"\+\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){1,6}+(?!\w)", international),
        rule(r"(?<![\w.,-])\(?0\d{1,4}\)?(?:[ /-]\d{2,8}){1,5}(?![\w-]|[.,]\d)", groups),
        rule(r"(?<![\w.,-])(?:\(\d{2,3}\) ?\d{3,5}-\d{3,4}|\d{3}-\d{3}-\d{4})(?![\w-])", groups),
        rule(r"(?<![\w.,-])\d{4}(?: \d{4}){3}(?![\w-])", groups),
    )


def _dates(g: Grammar) -> tuple[Rule, ...]:
    def say(match: _Match) -> str:
        day, month = int(match["d"]), match["m"]
        year = int(match["y"]) if match["y"] else None
        number = int(month) if month.isdecimal() else 0
        if month.isdecimal() and g.month_first and match["sep"] == "/":
            day, number = number, day
        if not 1 <= day <= 31 or (month.isdecimal() and not 1 <= number <= 12):
            return match.group(0)
        if year is not None and len(match["y"]) == 2:
            year += 2000 if year < 50 else 1900
        return g.date(match, day, number or month, year)

    return (
        rule(r"(?<![\w.,/-])(?P<y>\d{4})(?P<sep>-)(?P<m>\d\d)-(?P<d>\d\d)(?![\w-])", say),
        rule(
            r"(?<![\w.,/-])(?P<d>\d{1,2})(?P<sep>[./])(?P<m>\d{1,2})(?P=sep)"
            r"(?P<y>\d{4}|\d\d)(?!\w|[./]\d)",
            say,
        ),
        rule(g.textual_date, say),
    )


def _times(g: Grammar) -> tuple[Rule, ...]:
    def say(match: _Match) -> str:
        found = match.groupdict()
        hour, minute = int(match["h"]), int(found.get("min") or found.get("min2") or 0)
        return g.time(hour, minute) if hour <= 24 and minute <= 59 else match.group(0)

    def with_range(match: _Match) -> str:
        return f"{match.group(1)} {g.to} {match.group(2)}"

    return (
        rule(r"(?<![\w:])(\d{1,2}:\d\d) ?[-–] ?(\d{1,2}:\d\d)(?![\w:])", with_range),
        rule(g.time_pattern, say),
    )


def _money(g: Grammar) -> tuple[Rule, ...]:
    number, names = g.number, either(g.currencies)
    signs = either(name for name in g.currencies if "." not in name and not name.islower())
    scale = rf"(?: ?(?P<scale>{either(g.scales)})(?!\w))?" if g.scales else "(?P<scale>!)?"

    def say(match: _Match) -> str:
        stop = "." if match["sign"].endswith(".") and ends_sentence(match) else ""
        return amount(match) + stop

    def amount(match: _Match) -> str:
        major, minor = g.currencies[match["sign"]]
        minus = f"{g.minus} " if match["minus"] else ""
        written = match["n"]
        if match["scale"]:
            large = g.scales[match["scale"]]
            return f"{minus}{g.count(written, large)}{g.of_scale(major.forms[g_many(major)])}"
        whole, part = g.parse(written)
        if minor is None or len(part) != 2:
            return minus + g.count(written, major)
        if int(part) == 0:
            return minus + g.count(whole, major)
        cents = g.count(str(int(part)), minor)
        if int(whole) == 0:
            return minus + cents
        return f"{minus}{g.count(whole, major)}{g.cents_after}{cents}"

    def g_many(noun: Noun) -> int:
        return min(g.plural(5), len(noun.forms) - 1)

    minus = r"(?:(?<![\w)])(?P<minus>[-−–]))?"
    return (
        rule(rf"{minus}(?<![^\W\d_])(?P<sign>{signs}) ?(?P<n>{number}){scale}", say),
        rule(
            rf"(?:(?<![\w)])(?P<minus>[-−]))?(?<![\w.,])(?P<n>{number}){scale}"
            rf" ?(?P<sign>{names})(?!\w)",
            say,
        ),
    )


def _measures(g: Grammar) -> tuple[Rule, ...]:
    number, names = g.number, either(g.units)
    minus = r"(?:(?<![\w)])(?P<minus>[-−]))?(?<![\w.,])"
    percent = {"%": g.percent, "‰": g.per_mille}

    def sign(match: _Match) -> str:
        return f"{g.minus} " if match["minus"] else ""

    def measure(match: _Match) -> str:
        noun = g.units[match["unit"]]
        low = f"{g.say(match['low'], noun.gender)} {g.to} " if match["low"] else ""
        stop = "." if match["unit"].endswith(".") and ends_sentence(match) else ""
        return f"{sign(match)}{low}{g.count(match['n'], noun)}{stop}"

    def share(match: _Match) -> str:
        low = f"{g.say(match['low'])} {g.to} " if match["low"] else ""
        noun = Noun(tuple(percent[match["unit"]].split("/")))
        return f"{sign(match)}{low}{g.count(match['n'], noun)}"

    amount = rf"{minus}(?:(?P<low>{number}) ?[-–] ?)?(?P<n>{number}) ?"
    return (
        rule(rf"{amount}(?P<unit>[%‰])", share),
        rule(rf"{amount}(?P<unit>{names})(?![\w²³/])", measure),
    )


def _numbers(g: Grammar) -> tuple[Rule, ...]:
    number = g.number

    def between(match: _Match) -> str:
        low, high = match.group(1), match.group(2)
        return f"{low} {g.to} {high}" if int(low) < int(high) else f"{low}, {high}"

    def fraction(match: _Match) -> str:
        pair = int(match.group(1)), int(match.group(2))
        return g.halves.get(pair) or f"{g.say(match.group(1))} {g.over} {g.say(match.group(2))}"

    def dotted(match: _Match) -> str:
        if re.fullmatch(number, match.group(0)):
            return match.group(0)
        return f" {g.dot} ".join(g.say(part) for part in match.group(0).split("."))

    def plain(match: _Match) -> str:
        written = match["n"]
        minus = f"{g.minus} " if match["minus"] else ""
        is_year = g.year is not None and len(written) == 4 and written.isdecimal()
        if is_year and g.year is not None and 1100 <= int(written) <= 2099 and not minus:
            return g.year(int(written))
        word = re.match(r" ([^\W\d_]{2,})", match.string[match.end() : match.end() + 40])
        whole, part = g.parse(written)
        gender = g.agree(int(whole), word.group(1)) if word and not part else ""
        return minus + g.say(written, gender)

    def vulgar(match: _Match) -> str:
        words = g.halves[VULGAR[match.group(1)]]
        after_number = match.string[max(0, match.start() - 1) : match.start()].isdecimal()
        return f" {g.and_} {words}" if after_number else words

    return (
        rule(r"(?<![\w.,/-])(\d+)[-–](\d+)(?![\w/-]|[.,]\d)", between),
        rule(r"(?<![\w.,/-])(\d{1,3})/(\d{1,3})(?![\w/-]|[.,]\d)", fraction),
        rule(rf"([{''.join(VULGAR)}])", vulgar),
        rule(r"(?<![\w.,])\d+(?:\.\d+){2,}(?!\w)", dotted),
        rule(rf"(?:(?<![\w)])(?P<minus>[-−]))?(?P<n>{number})(?![.]\d)", plain),
        rule(r"\d+", lambda match: g.say(match.group(0))),
    )
