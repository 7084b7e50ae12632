"""A small, safe part of SSML: speak, p, s, break, sub, say-as, lang. Everything else is refused.

Read by expat without document types, so without entities but XML's own five.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from vivavoce.errors import InvalidRequest
from vivavoce.text.language import parse_language
from vivavoce.text.marks import Part, parse_pause

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 20
MAX_ELEMENTS = 5000
_STRENGTHS_S = {
    "none": 0.0,
    "x-weak": 0.1,
    "weak": 0.2,
    "medium": 0.4,
    "strong": 0.7,
    "x-strong": 1.2,
}
SAY_AS = ("characters", "spell-out", "digits", "telephone", "cardinal", "number", "ordinal")
_ATTRIBUTES = {
    "speak": ("version", "xml:lang", "xmlns", "xmlns:xsi", "xsi:schemaLocation"),
    "p": ("xml:lang",),
    "s": ("xml:lang",),
    "break": ("time", "strength"),
    "sub": ("alias",),
    "say-as": ("interpret-as",),
    "lang": ("xml:lang",),
}


def parse_ssml(text: str, say_as: Callable[[str, str, str | None], str]) -> tuple[Part, ...]:
    """Return the parts of an SSML document.

    `say_as` says a text as it is to be interpreted (one of `SAY_AS`), in a language or None.

    Raises:
        InvalidRequest: it is not well-formed, or says what is not understood here.
    """
    reader = _Reader(say_as)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.ProcessingInstructionHandler = reader.refuse_instruction
    try:
        parser.Parse(text.strip().encode("utf-8", "replace"), True)
    except expat.ExpatError as exc:
        raise _invalid(
            f"The SSML in input cannot be read: {expat.ErrorString(exc.code)}, in line "
            f"{exc.lineno} at column {exc.offset + 1}. Send one well-formed <speak> element."
        ) from None
    return reader.parts()


@dataclass(slots=True)
class _Element:
    tag: str
    language: str | None
    say_as: str | None = None
    unheard: bool = False


@dataclass(slots=True)
class _Reader:
    """What expat's events come to."""

    say_as: Callable[[str, str, str | None], str]
    _open: list[_Element] = field(default_factory=list)
    _elements: int = 0
    _words: list[str] = field(default_factory=list)
    _interpreted: list[str] = field(default_factory=list)
    _parts: list[Part] = field(default_factory=list)
    _root_language: str | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise _invalid(
                f"The SSML in input has more than {MAX_ELEMENTS} elements, or more than "
                f"{MAX_DEPTH} inside one another. Send it in parts."
            )
        self._check(tag, attributes)
        outer = self._open[-1].language if self._open else None
        element = _Element(tag, _language(attributes.get("xml:lang"), outer))
        if element.language != outer and self._open:
            self._end_part()
        if tag in ("p", "s"):
            self._break(tag)
        elif tag == "break":
            self._end_part(_pause(attributes))
        elif tag == "sub":
            self._words.append(_needed(tag, attributes, "alias"))
            element.unheard = True
        elif tag == "say-as":
            element.say_as = _needed(tag, attributes, "interpret-as")
            if element.say_as not in SAY_AS:
                raise _invalid(
                    f"say-as cannot interpret {element.say_as[:40]!r} here. Use one of: "
                    f"{', '.join(SAY_AS)}."
                )
            self._interpreted.clear()
        self._open.append(element)

    def end(self, tag: str) -> None:
        """Close the innermost element."""
        element = self._open.pop()
        outer = self._open[-1].language if self._open else element.language
        if element.say_as is not None:
            text = " ".join("".join(self._interpreted).split())
            self._words.append(self.say_as(text, element.say_as, element.language))
        elif tag in ("p", "s"):
            self._break(tag)
        if element.language != outer:
            self._part_ends(element.language)

    def text(self, data: str) -> None:
        """Take text; white space is one blank, as everywhere in SSML."""
        element = self._open[-1]
        if element.unheard:
            return
        (self._interpreted if element.say_as else self._words).append(re.sub(r"\s+", " ", data))

    def refuse_doctype(self, *_: object) -> None:
        """Refuse document types: what they define could be anything, of any size."""
        raise _invalid("The SSML in input has a DOCTYPE. Leave it out; none is read here.")

    def refuse_instruction(self, target: str, _data: str) -> None:
        """Refuse processing instructions."""
        raise _invalid(f"The SSML in input has an instruction <?{target[:40]}?>. Leave it out.")

    def parts(self) -> tuple[Part, ...]:
        """Return what was read."""
        return (*self._parts, Part(self._said(), self._root_language))

    def _check(self, tag: str, attributes: dict[str, str]) -> None:
        if tag not in _ATTRIBUTES:
            raise _invalid(
                f"The SSML tag <{tag[:40]}> is not understood here. Use only: "
                f"{', '.join(_ATTRIBUTES)}."
            )
        if (tag == "speak") != (not self._open):
            raise _invalid("SSML is one <speak> element, and <speak> is nowhere inside it.")
        inner = self._open[-1].tag if self._open else ""
        if inner in ("break", "sub", "say-as"):
            raise _invalid(f"<{tag}> cannot stand inside <{inner}>. Take it out.")
        unknown = next((name for name in attributes if name not in _ATTRIBUTES[tag]), None)
        if unknown is not None:
            raise _invalid(
                f"<{tag}> has an attribute {unknown[:40]!r}, which is not understood here."
            )
        if tag == "speak":
            self._root_language = _language(attributes.get("xml:lang"), None)

    def _end_part(self, pause_s: float | None = None) -> None:
        """End a part before what comes now, in the language of the elements that are open."""
        self._part_ends(self._open[-1].language if self._open else None, pause_s)

    def _break(self, tag: str) -> None:
        """Begin a new line for a sentence, where there is none yet; a new paragraph for `p`."""
        while self._words and not self._words[-1].strip(" "):
            self._words.pop()
        if tag == "p":
            self._words.append("\n\n")
        elif self._words and not self._words[-1].endswith("\n"):
            self._words.append("\n")

    def _said(self) -> str:
        return re.sub(r" *(\n+) *| {2,}", lambda found: found[1] or " ", "".join(self._words))

    def _part_ends(self, language: str | None, pause_s: float | None = None) -> None:
        words = self._said()
        self._words.clear()
        if words or pause_s is not None:
            self._parts.append(Part(words, language, pause_s))


def _pause(attributes: dict[str, str]) -> float:
    if "time" in attributes:
        return parse_pause(attributes["time"], f'<break time="{attributes["time"][:40]}"/>')
    strength = attributes.get("strength", "medium")
    if strength not in _STRENGTHS_S:
        raise _invalid(
            f"break cannot be of the strength {strength[:40]!r}. Use one of: "
            f"{', '.join(_STRENGTHS_S)}."
        )
    return _STRENGTHS_S[strength]


def _language(written: str | None, outer: str | None) -> str | None:
    if written is None:
        return outer
    try:
        return parse_language(written)
    except ValueError:
        raise _invalid(
            f"There is no language {written[:40]!r} here. Use such as en or de-DE."
        ) from None


def _needed(tag: str, attributes: dict[str, str], name: str) -> str:
    if name not in attributes:
        raise _invalid(f"<{tag}> lacks its attribute {name}. Add it.")
    return attributes[name]


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="input", code="invalid_ssml")
