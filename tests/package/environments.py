"""Fresh environments with vivavoce from the wheel."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has vivavoce from the wheel and nothing else."""

    folder: Path

    @property
    def program(self) -> str:
        return str(self.folder / "bin/vivavoce")

    def run(self, *arguments: str) -> str:
        """Run its Python; return what it prints."""
        return subprocess.run(
            [self.folder / "bin/python", *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def megabytes(self) -> float:
        """What its files take, pip left out."""
        subprocess.run(
            [self.folder / "bin/python", "-m", "pip", "uninstall", "-qy", "pip", "setuptools"],
            check=True,
        )
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return sum(path.lstat().st_size for path in files if not path.is_symlink()) / 1e6


def install(folder: Path, *what: str) -> Environment:
    """Install into a fresh environment as users do: with what is newest, if nothing says otherwise.

    pip keeps what the machine tells it: where its packages come from, a build of torch.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin/python", "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    subprocess.run([*pip, *what], check=True)
    return Environment(folder)
