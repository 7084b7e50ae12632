"""Pronunciation rules outlive the server; a file is whole or it is the one before."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from vivavoce.errors import InvalidRequest, NotFound, SettingsError, VivavoceError
from vivavoce.service import pronunciations as module
from vivavoce.service.pronunciations import FILE_NAME, Pronunciations
from vivavoce.text.pronounce import Rule

if TYPE_CHECKING:
    from pathlib import Path

SQL = Rule("SQL", "sequel")
SQL_DE = Rule("SQL", "ess kuh ell", language="de")


def test_rules_are_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new" / FILE_NAME
    first = Pronunciations(path)
    assert first.rules == ()
    for rule in (SQL, SQL_DE, Rule("sql", "squirrel")):  # the last takes the first one's place
        asyncio.run(first.put(rule))
    assert Pronunciations(path).rules == first.rules == (Rule("sql", "squirrel"), SQL_DE)
    assert asyncio.run(first.delete(SQL.key)) == Rule("sql", "squirrel")
    assert Pronunciations(path).rules == (SQL_DE,)
    assert [file.name for file in path.parent.iterdir()] == [FILE_NAME]


def test_only_what_is_there_can_be_deleted(tmp_path: Path) -> None:
    rules = Pronunciations(tmp_path / FILE_NAME)
    asyncio.run(rules.put(SQL_DE))
    with pytest.raises(NotFound, match="sql"):
        asyncio.run(rules.delete(SQL.key))
    assert rules.rules == (SQL_DE,)


def test_many_changes_at_once_all_count(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    rules = Pronunciations(path)

    async def put_all() -> None:
        await asyncio.gather(*(rules.put(Rule(f"w{n}", "x")) for n in range(30)))

    asyncio.run(put_all())
    assert len(Pronunciations(path).rules) == 30


def test_where_nothing_can_be_written_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rules = Pronunciations(tmp_path / "file" / FILE_NAME)  # a file is no folder
    with pytest.raises(VivavoceError, match="DATA_DIR"):
        asyncio.run(rules.put(SQL))
    assert rules.rules == ()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"rules": [{"written": "x"}]}', "\xff"])
def test_a_damaged_file_stops_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=FILE_NAME):
        Pronunciations(path)


def test_a_crash_while_writing_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE_NAME
    rules = Pronunciations(path)
    asyncio.run(rules.put(SQL))
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(VivavoceError, match="No space left"):
        asyncio.run(rules.put(SQL_DE))
    assert path.read_bytes() == before
    assert rules.rules == (SQL,)
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_there_is_an_end_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RULES", 1)
    rules = Pronunciations()
    asyncio.run(rules.put(SQL))
    asyncio.run(rules.put(Rule("SQL", "other")))
    with pytest.raises(InvalidRequest, match="Delete some"):
        asyncio.run(rules.put(SQL_DE))


def test_the_file_can_be_read_by_people(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    asyncio.run(Pronunciations(path).put(Rule("重庆", "Chóngqìng", language="zh")))
    assert "重庆" in path.read_text("utf-8")
    assert json.loads(path.read_text("utf-8"))["rules"][0]["language"] == "zh"
