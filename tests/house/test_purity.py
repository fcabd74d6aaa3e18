"""What import-linter cannot see in the protocol: randomness behind a harmless import, and the process around it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROTOCOL = Path(__file__).parents[2] / "protocol"

#: `hash` differs from run to run for text and bytes.
BUILTINS = {"__import__", "breakpoint", "compile", "eval", "exec", "hash", "input", "open", "print"}
RANDOM_MODULES = {"nacl.utils"}
GENERATORS = {"generate", "generate_key"}


def impurities(source: str) -> Iterator[str]:
    """Yield `line: what` for each impure thing that `source` does."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                yield f"{node.lineno}: calls {name}"
            case ast.Attribute(attr=name, value=ast.Name(id=owner) | ast.Attribute(attr=owner)) if (
                name in GENERATORS and owner[:1].isupper()
            ):
                yield f"{node.lineno}: draws its own randomness with {owner}.{name}"
            case ast.ImportFrom(module=str(module), names=names):
                if module in RANDOM_MODULES or RANDOM_MODULES & {f"{module}.{each.name}" for each in names}:
                    yield f"{node.lineno}: imports randomness from {module}"
            case ast.Import(names=names):
                if RANDOM_MODULES & {each.name for each in names}:
                    yield f"{node.lineno}: imports randomness"
            case _:
                pass


def test_the_protocol_is_pure():
    found = {path.name: list(impurities(path.read_text())) for path in PROTOCOL.rglob("*.py")}
    assert {name: sins for name, sins in found.items() if sins} == {}


@pytest.mark.parametrize(
    "source",
    [
        "open('x')",
        "key = hash(b'x')",
        "SigningKey.generate()",
        "nacl.signing.SigningKey.generate()",
        "ChaCha20Poly1305.generate_key()",
        "from nacl import utils",
        "from nacl.utils import random",
        "import nacl.utils",
    ],
)
def test_an_impurity_is_seen(source):
    assert list(impurities(source))


def test_an_honest_value_is_not():
    assert not list(impurities("key = SigningKey(seed)\ninvite = door.generate(random)\nx = identity.id(7)\n"))
