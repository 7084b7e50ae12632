"""Where sentences end, language by language: `sentencex`, and what it does not know.

It takes some abbreviations, ordinals and quotations for the end of a sentence. Its pieces are put
together again where that is so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sentencex

if TYPE_CHECKING:
    from collections.abc import Iterator

_GO_ON: dict[str, str] = {
    "en": r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Mt|No|Gen|Col|Lt|Sgt|Capt|Rev|Hon|vs|approx|Fig)",
    "de": r"\b(?:Hr|Fr|Dr|Prof|Nr|St|z\. ?B|d\. ?h|u\. ?a|bzw|ca|vgl|geb|evtl|ggf|inkl"
    r"|Bd|Abb|Mio|Mrd)"
    r"|(?i:\b(?:der|die|das|den|dem|des|am|im|vom|zum|beim|zur|bis|ab)) \d{1,4}",
    "fr": r"\b(?:MM?|Mmes?|Mlles?|Dr|Me|Mgr|St|Ste|av|bd|env|cf|p\. ?ex|art|vol)",
    "ru": r"\b(?:т\. ?е|т\. ?к|т|ул|пр|пл|г|д|кв|стр|рис|им|проф|акад|см|руб|тыс|млн|напр|[А-Я])",
    "pt": r"\b(?:Srt?a?s?|Dra?s?|Profa?|Av|R|Sto|Sta|pág|n|p\. ?ex|Exm[oa])",
    "es": r"\b(?:Srt?a?s?|Dra?s?|Dñ?a?|Prof|Av|Avda|pág|núm|Ud|Uds|p\. ?ej|EE\. ?UU)",
    "it": r"\b(?:Sigg?|Dott|Prof|Avv|Ing|pagg?|art|cfr|S|p\. ?es|n)",
}
_GOES_ON = {code: re.compile(rf"(?:{pattern})\.\s*$") for code, pattern in _GO_ON.items()}
_NUMBERED = re.compile(r"^\s*(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})[.)]\s*$")
_INTO_NUMBER = re.compile(r"\d[.,:]\s?$")
_AFTER_QUOTE = {
    "ja": re.compile(r"[とってがをはにもでのへな、]"),
    "ko": re.compile(r"(?:이?라[고는며면]|하[고며]|고 |는 |[을를은이가])"),
}
_QUOTE_END = re.compile(r"[」』”\"'’）)]\s*$")
_PAIRS = {
    "de": ("„“", "»«", "()"),
    "ja": ("「」", "『』", "（）"),
    "zh": ("“”", "「」", "《》", "（）"),
    "ko": ("“”", "()"),
    "ru": ("«»", "„“", "()"),
}
_USUAL_PAIRS = ("“”", "«»", "()")
_LONGEST_QUOTE = 300
_TAIL_CHARS = 40
_WINDOW_CHARS = 4000


def sentences(text: str, language: str) -> list[str]:
    """Return the sentences of a line of text, with the white space after them: all of the text."""
    whole: list[str] = []
    for piece in _pieces(text, language):
        if whole and _belongs(whole[-1], piece, language):
            whole[-1] += piece
        else:
            whole.append(piece)
    return whole


def _pieces(text: str, language: str) -> Iterator[str]:
    """Yield what `sentencex` makes of a text; of a long one window by window: it is quadratic."""
    while len(text) > _WINDOW_CHARS:
        pieces: list[str] = sentencex.segment(language, text[:_WINDOW_CHARS])
        done = pieces[:-1] or pieces  # the last may go on beyond the window
        yield from done
        text = text[sum(map(len, done)) :]
    yield from sentencex.segment(language, text)


def _belongs(before: str, piece: str, language: str) -> bool:
    """Tell whether a piece goes on with the sentence before it."""
    end = before[-_TAIL_CHARS:]
    if _NUMBERED.match(before):
        return True
    if _INTO_NUMBER.search(end) and piece[:1].isdecimal() and not before.endswith(" "):
        return True
    goes_on = _GOES_ON.get(language)
    if goes_on is not None and goes_on.search(end):
        return True
    after_quote = _AFTER_QUOTE.get(language)
    if after_quote is not None and _QUOTE_END.search(end) and after_quote.match(piece):
        return True
    if len(before) + len(piece) > _LONGEST_QUOTE:
        return False
    pairs = _PAIRS.get(language, _USUAL_PAIRS)
    return any(before.count(pair[0]) > before.count(pair[1]) for pair in pairs)
