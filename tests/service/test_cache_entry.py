"""The packed form of an answer: what comes out is what went in, or nothing does."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.service.cache.entry import FORMAT_VERSION, CachedAudio, pack, unpack
from vivavoce.types import TimedSegment, TimedWord

ENTRIES = st.builds(
    CachedAudio,
    data=st.binary(max_size=200),
    seed=st.integers(0, 2**63 - 1),
    duration_s=st.floats(min_value=0, allow_nan=False),
    input_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
    timed=st.lists(
        st.builds(
            TimedSegment,
            st.text(max_size=20),
            st.floats(0, 100),
            st.floats(0, 100),
            st.lists(
                st.builds(TimedWord, st.text(max_size=9), st.floats(0, 9), st.floats(0, 9)),
                max_size=2,
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
)
ENTRY = CachedAudio(b"ID3" + bytes(range(256)), 7, 1.5, 12, 34)


@settings(deadline=None)
@given(ENTRIES)
def test_what_is_unpacked_is_what_was_packed(entry: CachedAudio) -> None:
    assert unpack(pack(entry)) == entry


@settings(deadline=None)
@given(ENTRIES, st.data())
def test_any_altered_byte_is_refused(entry: CachedAudio, data: st.DataObject) -> None:
    packed = bytearray(pack(entry))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"version|checksum"):
        unpack(bytes(packed))


def test_any_cut_is_refused() -> None:
    packed = pack(ENTRY)
    for length in range(len(packed)):
        with pytest.raises(ValueError, match=r"version|checksum"):
            unpack(packed[:length])


@settings(deadline=None)
@given(st.binary(min_size=1))
def test_anything_behind_it_is_refused(more: bytes) -> None:
    with pytest.raises(ValueError, match="checksum"):
        unpack(pack(ENTRY) + more)


@settings(deadline=None)
@given(st.binary())
def test_foreign_bytes_are_refused(foreign: bytes) -> None:
    with pytest.raises(ValueError, match="version"):
        unpack(foreign)


def test_another_version_is_refused() -> None:
    body = msgspec.msgpack.encode(ENTRY)
    other = b"VVAUDIO" + bytes([FORMAT_VERSION + 1]) + hashlib.sha256(body).digest() + body
    with pytest.raises(ValueError, match="do not begin as version"):
        unpack(other)


@pytest.mark.parametrize("fields", [[], {}, {"data": b"x"}, {"data": 1, "seed": "x"}, None])
def test_fields_that_are_not_an_answers_are_refused(fields: object) -> None:
    body = msgspec.msgpack.encode(fields)
    sealed = pack(ENTRY)[:8] + hashlib.sha256(body).digest() + body
    with pytest.raises(ValueError, match="fields are not those"):
        unpack(sealed)
