"""The pronunciation rules of this server: changed while it runs, kept in a file."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from vivavoce.errors import InvalidRequest, NotFound, SettingsError, VivavoceError
from vivavoce.text.pronounce import Rule

if TYPE_CHECKING:
    from pathlib import Path

MAX_RULES = 2000
FILE_NAME = "pronunciations.json"


class Pronunciations:
    """The rules, in the order they came. Belongs to one event loop; its file is rewritten whole."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the file, if there is one; without a path nothing is kept.

        Raises:
            SettingsError: it cannot be read.
        """
        self._path = path
        self._rules = {rule.key: rule for rule in (_read(path) if path else ())}
        self._writing = asyncio.Lock()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules as they are now."""
        return tuple(self._rules.values())

    async def put(self, rule: Rule) -> None:
        """Add a rule, or put it in the place of the one for the same word, language and voice.

        Raises:
            InvalidRequest: there are too many.
            VivavoceError: it cannot be kept; nothing has changed.
        """
        async with self._writing:
            if rule.key not in self._rules and len(self._rules) >= MAX_RULES:
                raise InvalidRequest(
                    f"There are {MAX_RULES} pronunciation rules already. Delete some first.",
                    code="too_many_rules",
                )
            await self._keep({**self._rules, rule.key: rule})

    async def delete(self, key: tuple[str, str | None, str | None, bool]) -> Rule:
        """Remove a rule and return it.

        Raises:
            NotFound: there is no such rule.
            VivavoceError: the file cannot be written; nothing has changed.
        """
        async with self._writing:
            gone = self._rules.get(key)
            if gone is None:
                raise NotFound(
                    f"There is no rule for {key[0][:60]!r} with this language, voice and exact. "
                    "GET /v1/audio/pronunciations lists the rules.",
                    param="written",
                    code="rule_not_found",
                )
            await self._keep({known: rule for known, rule in self._rules.items() if known != key})
            return gone

    async def _keep(self, rules: dict[tuple[str, str | None, str | None, bool], Rule]) -> None:
        if self._path is not None:
            try:
                await asyncio.to_thread(_write, self._path, list(rules.values()))
            except OSError as exc:
                raise VivavoceError(
                    f"The rule could not be kept: {self._path.parent} cannot be written "
                    f"({exc.strerror}). Set DATA_DIR to a folder that can be.",
                    code="data_dir_not_writable",
                ) from exc
        self._rules = rules


def _read(path: Path) -> list[Rule]:
    try:
        kept: Any = json.loads(path.read_text("utf-8"))
        names = {field.name for field in fields(Rule)}
        return [Rule(**{name: one[name] for name in names}) for one in kept["rules"]]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise SettingsError(
            f"The pronunciation rules in {path} cannot be read ({exc!r}). Repair the file, move it "
            "away, or set DATA_DIR to another folder."
        ) from None


def _write(path: Path, rules: list[Rule]) -> None:
    """Write under another name and rename, so that a crash leaves the old file or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    text = json.dumps({"rules": [asdict(rule) for rule in rules]}, ensure_ascii=False, indent=1)
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
