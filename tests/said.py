"""What a module says: the fixed pieces of its messages, found in its source."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src/vivavoce"
_SHORTEST = 15


def pieces(module: str, *functions: str) -> set[str]:
    """Return the pieces of text in these functions of a module, docstrings and commands apart.

    Without a function's name, all of them. A piece is what stands between two values that are
    filled in. Short ones tell nothing.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / module).read_text())):
        if isinstance(node, ast.FunctionDef) and (not functions or node.name in functions):
            found |= {piece for one in node.body for piece in _texts(one)}
    return {" ".join(piece.split()) for piece in found if " " in piece.strip()}


def _texts(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return set()  # a docstring
    return {
        inner.value
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant)
        and isinstance(inner.value, str)
        and len(inner.value) >= _SHORTEST
    }
