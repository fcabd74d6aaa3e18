"""Make docs/spec/limits.md: every `LIMIT_…` of protocol/, with the words that stand beside it in the code.

    python tests/vectors/make_limits.py [FOLDER]

The table is read from the source, so that it cannot differ from it; tests/protocol/test_limits.py says when it is old.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAD = """# Limits

Every queue, value and table that a peer can fill has a bound with a name. A limit of bytes is looked at before anything
is decoded. This page is made from the code: `python tests/vectors/make_limits.py`.

| name | value | what it bounds |
|---|---:|---|
"""


def words(after: ast.stmt | None, line: str) -> str:
    """Return the docstring that follows a constant, or else the comment behind it."""
    match after:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split()).removesuffix(".")
        case _:
            return line.partition("  # ")[2].strip()


def limits(source: Path) -> Iterator[tuple[str, int, str]]:
    """Yield name, value and words of each public limit that a module defines."""
    text = source.read_text()
    lines, body = text.splitlines(), ast.parse(text).body
    for statement, after in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) if name.startswith("LIMIT_"):
                module = importlib.import_module(f"tertulia.protocol.{source.stem}")
                yield name, getattr(module, name), words(after, lines[statement.lineno - 1])


def page() -> str:
    """Return the page."""
    rows = [
        f"| `{source.stem}.{name}` | {value:,} | {said} |"
        for source in sorted((ROOT / "protocol").glob("*.py"))
        for name, value, said in limits(source)
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/spec"
    (folder / "limits.md").write_text(page())
