"""Times of a spoken text as subtitles: SubRip (SRT) or WebVTT."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vivavoce.types import TimedSegment

SUBTITLE_FORMATS = ("srt", "vtt")
MAX_CUE_CHARS = 84
"""Two lines of 42, as broadcasters have it."""


class _Cue(NamedTuple):
    start_s: float
    end_s: float
    text: str


def subtitles(segments: Sequence[TimedSegment], format_name: str) -> str:
    """Return a file of a format of `SUBTITLE_FORMATS`.

    A segment is a cue; one longer than `MAX_CUE_CHARS` is several, if the times of its words are
    known.
    """
    cues = [cue for segment in segments for cue in _cues(segment)]
    comma = "," if format_name == "srt" else "."
    blocks = [
        f"{number}\n{_clock(cue.start_s, comma)} --> {_clock(cue.end_s, comma)}\n"
        f"{cue.text if format_name == 'srt' else _escape(cue.text)}\n"
        for number, cue in enumerate(cues, 1)
    ]
    return "\n".join(blocks if format_name == "srt" else ["WEBVTT\n", *blocks])


def _cues(segment: TimedSegment) -> Iterator[_Cue]:
    text = " ".join(segment.text.split())
    if len(text) <= MAX_CUE_CHARS or not segment.words:
        yield _Cue(segment.start_s, segment.end_s, text)
        return
    ends, at = [], 0
    for word in segment.words:
        shown = " ".join(word.text.split())
        at = text.index(shown, at) + len(shown)
        ends.append(at)
    # As many cues as needed, of about the same length.
    wanted = -(-len(text) // MAX_CUE_CHARS)
    begin = first = 0
    start_s = segment.start_s
    for index, end in enumerate(ends):
        last = index == len(ends) - 1
        full = not last and ends[index + 1] - begin > min(MAX_CUE_CHARS, len(text) / wanted + 8)
        if not (last or full):
            continue
        end_s = segment.end_s if last else segment.words[index].end_s
        yield _Cue(start_s, end_s, text[begin : None if last else end].strip())
        begin, first = end, index + 1
        start_s = segment.words[first].start_s if not last else end_s


def _clock(seconds: float, comma: str) -> str:
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{comma}{rest % 1000:03}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
