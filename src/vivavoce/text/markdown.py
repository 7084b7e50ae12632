"""From Markdown, HTML tags and emoji to text that can be spoken. Plain prose stays as it is.

Markdown is read by markdown-it-py, as CommonMark with tables and strikethrough, with two
differences for prose: lines that are set in are not code, and `[Name]: text` defines no link unless
an address follows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

_SIGNS = re.compile(r"[*_`~<>\[\]\\|#&]|^ *(?:[-+>]|\d{1,9}[.)]|={2,}|-{2,})(?:\s|$)", re.MULTILINE)
_DEFINITION = re.compile(r"^ {0,3}\[([^\]\n]{1,99})\]: *<?(?:https?://|mailto:)\S+.*$\n?", re.M)
_FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,40}\]:?")
_TASK = re.compile(r"\[[ xX]\] +")
_TIMES = re.compile(r"(?<=\d)\*(?=\d)")
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)\b[^>]*>|<!--.*?-->", re.DOTALL)
_CLOSED = re.compile(r"[.!?。！？…:：;；,，、]['\"”’»」』)]*$")
_CJK_LAST = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]['\"”’»」』）]*$")
_HTML = frozenset(
    "a abbr article aside audio b big blockquote body br button caption center cite code col "
    "colgroup dd del details dfn div dl dt em figcaption figure font footer form h1 h2 h3 h4 h5 h6 "
    "head header hr html i iframe img input ins kbd label li link main mark meta nav ol option p "
    "picture pre q s samp script section select small source span strike strong style sub summary "
    "sup svg table tbody td textarea tfoot th thead title tr tt u ul var video wbr".split()
)
_BREAKING = frozenset("br hr p div li tr h1 h2 h3 h4 h5 h6 blockquote table ul ol".split())
_UNHEARD = frozenset(("script", "style"))

_EMOJI_SIGNS = (
    "[\u231a-\u23ff\u2600-\u2767\u2794-\u27bf\u2b05-\u2b55\U0001f000-\U0001faff]"
    "[\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f]*"
)
_EMOJI = re.compile(rf"(?:{_EMOJI_SIGNS})(?:\u200d?(?:{_EMOJI_SIGNS}))*")
_EMOJI_PLACE = re.compile(rf"( ?)(?:{_EMOJI.pattern})(?: ?(?:{_EMOJI.pattern}))*( ?)(?=(.?))")
_KEYCAP = re.compile("([0-9#*])\ufe0f?\u20e3")

_REPEATS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"([!?])\1{2,}"), r"\1"),
    (re.compile(r"(?:!\?|\?!){2,}[!?]?|[!?]{4,}"), "?!"),
    (re.compile(r"\.{4,}"), "..."),
    (re.compile(r"([,;:、，；：。！？])\1{2,}"), r"\1"),
    (re.compile(r" ?([=_*#~|])\1{2,} ?|[ ]?-{4,} ?"), " "),
)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return parser.disable(["code", "reference", "html_block"])


_PARSER = _parser()


def spoken_markdown(text: str) -> str:
    """Return what of a text is to be heard, in paragraphs parted by blank lines.

    Headings, items of lists and rows of tables end like sentences. Of links and pictures their
    words are left; blocks of code are dropped, code within a line is read.
    """
    text = _without_emoji(text)
    if _SIGNS.search(text):
        text = _render(text)
    for pattern, once in _REPEATS:
        text = pattern.sub(once, text)
    return re.sub(r" {2,}", " ", text).strip()


def _without_emoji(text: str) -> str:
    def place(match: re.Match[str]) -> str:
        before, after, following = match.group(1), match.group(2), match.group(3)
        if before and after:
            return " "
        if following and following in ".,!?;:)…。，！？、":
            return ""
        return " " if match.start() and following else ""

    return _EMOJI_PLACE.sub(place, _KEYCAP.sub(r"\1", text))


def _render(text: str) -> str:
    labels = {found[1].strip().upper() for found in _DEFINITION.finditer(text)}
    text = _FOOTNOTE.sub("", _DEFINITION.sub("", text))
    text = _TIMES.sub(r"\\*", text)
    env = {"references": {label: {"href": "#", "title": ""} for label in labels}}
    blocks = _Blocks()
    for token in _PARSER.parse(text, env):
        blocks.take(token)
    return "\n\n".join("\n".join(lines) for lines in blocks.paragraphs if lines)


class _Blocks:
    """Collects lines of text in paragraphs, block by block."""

    def __init__(self) -> None:
        self.paragraphs: list[list[str]] = [[]]
        self._markers: list[str] = []
        self._in_list = 0
        self._ends = False
        self._cells: list[str] | None = None

    def take(self, token: Token) -> None:
        """Take the next token of the parser."""
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            self._in_list += 1
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self._in_list -= 1
            self._part()
        elif kind == "list_item_open":
            self._markers.append(f"{token.info}{token.markup} " if token.info else "")
        elif kind == "list_item_close":
            self._markers.clear()
        elif kind == "heading_open":
            self._part()
            self._ends = True
        elif kind == "tr_open":
            self._cells = []
        elif kind == "tr_close":
            self._line(_ended(", ".join(cell for cell in self._cells or () if cell)))
            self._cells = None
        elif kind == "inline":
            self._inline(token)
        elif kind in ("heading_close", "paragraph_close", "table_close", "hr", "blockquote_close"):
            self._ends = False
            if not self._in_list:
                self._part()

    def _inline(self, token: Token) -> None:
        words = "".join(_spoken(token.children or ())).strip()
        words = _TASK.sub("", words, count=1) if self._markers and words.startswith("[") else words
        if self._cells is not None:
            self._cells.append(words)
            return
        marker = "".join(self._markers)
        is_item = bool(self._markers)
        self._markers.clear()
        self._line(marker + (_ended(words) if is_item or self._ends else words))

    def _line(self, words: str) -> None:
        if words:
            self.paragraphs[-1].append(words)

    def _part(self) -> None:
        if self.paragraphs[-1]:
            self.paragraphs.append([])


def _ended(words: str) -> str:
    """Return words with a full stop, unless they end in a mark already."""
    if not words or _CLOSED.search(words):
        return words
    return words + ("。" if _CJK_LAST.search(words) else ".")


def _spoken(tokens: list[Token] | tuple[()]) -> Iterator[str]:
    """Yield what is heard of a line's tokens."""
    unheard = ""
    for token in tokens:
        if token.type == "html_inline":
            found = _TAG.fullmatch(token.content)
            name = (found[1] or "").lower() if found else ""
            if name in _UNHEARD:
                unheard = "" if token.content.startswith("</") else name
            elif found is None or (name and name not in _HTML):
                yield token.content
            elif name in _BREAKING:
                yield "\n"
        elif unheard:
            continue
        elif token.type in ("softbreak", "hardbreak"):
            yield "\n"
        elif token.type == "image":
            yield from _spoken(token.children or ())
        elif token.type in ("text", "code_inline", "text_special"):
            yield token.content
