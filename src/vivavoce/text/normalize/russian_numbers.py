"""Russian numbers in words: cardinals in the nominative, ordinals in the cases that dates need."""

from __future__ import annotations

_UNITS = (
    "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать "
    "тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать"
).split()
_TENS = ("- - двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто").split()
_HUNDREDS = "- сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот".split()
_SCALES = (
    (10**12, ("триллион", "триллиона", "триллионов"), "m"),
    (10**9, ("миллиард", "миллиарда", "миллиардов"), "m"),
    (10**6, ("миллион", "миллиона", "миллионов"), "m"),
    (10**3, ("тысяча", "тысячи", "тысяч"), "f"),
)
_ONE_TWO = {
    "": ("один", "два"),
    "m": ("один", "два"),
    "f": ("одна", "две"),
    "n": ("одно", "два"),
    "accusative": ("одну", "две"),
}
_ORDINALS = (
    "нулевой первый второй третий четвёртый пятый шестой седьмой восьмой девятый десятый "
    "одиннадцатый двенадцатый тринадцатый четырнадцатый пятнадцатый шестнадцатый семнадцатый "
    "восемнадцатый девятнадцатый"
).split()
_TENTHS = (
    "- - двадцатый тридцатый сороковой пятидесятый шестидесятый семидесятый восьмидесятый "
    "девяностый"
).split()
_HUNDREDTHS = (
    "- сотый двухсотый трёхсотый четырёхсотый пятисотый шестисотый семисотый восьмисотый "
    "девятисотый"
).split()
_THOUSANDTHS = ("", "", *"двух трёх четырёх пяти шести семи восьми девяти".split())
_ENDINGS = {
    "f": ("ая", "ья"),
    "n": ("ое", "ье"),
    "genitive": ("ого", "ьего"),
    "dative": ("ому", "ьему"),
    "prepositional": ("ом", "ьем"),
    "plural": ("ые", "ьи"),
    "plural genitive": ("ых", "ьих"),
    "feminine genitive": ("ой", "ьей"),
    "feminine accusative": ("ую", "ью"),
}
_PARTS = {
    1: ("десятая", "десятых"),
    2: ("сотая", "сотых"),
    3: ("тысячная", "тысячных"),
}


def plural(number: int) -> int:
    """Return which form of a noun follows: 0 for 1, 1 for 2 to 4, 2 for 5 and more."""
    if number % 100 in range(11, 15):
        return 2
    return {1: 0, 2: 1, 3: 1, 4: 1}.get(number % 10, 2)


def cardinal(number: int, gender: str = "") -> str:
    """Return 2021 as "две тысячи двадцать один", feminine "две тысячи двадцать одна"."""
    for size, forms, kind in _SCALES:
        if number >= size:
            count, rest = divmod(number, size)
            name = forms[plural(count)]
            words = name if count == 1 and kind == "f" else f"{cardinal(count, kind)} {name}"
            return f"{words} {cardinal(rest, gender)}" if rest else words
    if number >= 100:
        count, rest = divmod(number, 100)
        return _HUNDREDS[count] + (f" {cardinal(rest, gender)}" if rest else "")
    if number in (1, 2):
        return _ONE_TWO[gender][number - 1]
    if number < 20:
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    return _TENS[tens] + (f" {cardinal(unit, gender)}" if unit else "")


def ordinal(number: int, case: str = "m") -> str:
    """Return 24 as "двадцать четвёртый"; see `_ENDINGS` for the cases. Up to 9999.

    Only its last word is an ordinal: 1900 is "тысяча девятисотый".
    """
    last, word = _last_word(number)
    head = f"{cardinal(number - last)} " if number > last else ""
    return head + _decline(word, case)


def _last_word(number: int) -> tuple[int, str]:
    """Return what of a number its last word says, and that word as an ordinal."""
    last = number % 100
    if number == 0 or 0 < last < 20:
        return last, _ORDINALS[last]
    if last:
        unit = number % 10
        return (unit, _ORDINALS[unit]) if unit else (last, _TENTHS[last // 10])
    last = number % 1000
    if last:
        return last, _HUNDREDTHS[last // 100]
    last = number % 10_000
    return last, f"{_THOUSANDTHS[last // 1000]}тысячный"


def _decline(word: str, case: str) -> str:
    if case == "m":
        return word
    hard, soft = _ENDINGS[case]
    return f"{word[:-2]}{soft}" if word == "третий" else f"{word[:-2]}{hard}"


def fraction(whole: int, part: str) -> str:
    """Return 3,5 as "три целых пять десятых"; more than three digits one by one."""
    if len(part) not in _PARTS:
        digits = " ".join(_UNITS[int(d)] for d in part)
        return f"{cardinal(whole)} запятая {digits}"
    count = int(part)
    one, many = _PARTS[len(part)]
    is_one = count % 10 == 1 and count % 100 != 11
    wholes = "целая" if whole % 10 == 1 and whole % 100 != 11 else "целых"
    return f"{cardinal(whole, 'f')} {wholes} {cardinal(count, 'f')} {one if is_one else many}"
