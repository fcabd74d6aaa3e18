"""Finding plaintext: whether some bytes hold a piece of what people wrote.

Issue 2, point 3 (`plaintext_hits`). A hit is any `WINDOW` bytes in a row of any text looked for; so a text that was cut
or framed in the middle is found by what is left of it. Invariants: everything given to a `Flow` is looked at, with no
blind spot where two chunks meet; what is reported names the kind of text, never the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

WINDOW: Final = 12
"""Bytes in a row that make a hit: too many to come about by chance, too few to hide a sentence."""
READABLE: Final = re.compile(rb"[ -~]{%d,}" % WINDOW)
"""What is looked for: the parts of a text that are plain ASCII."""
_LETTERS: Final = bytes(int(32 <= byte < 127) for byte in range(256))
"""Maps bytes to 1 where they can be part of a hit. Ciphertext has `WINDOW` such bytes in a row every 140 KB or so."""
_HIT: Final = b"\1" * WINDOW


class Unsearchable(ValueError):
    """A text is too short, or has too few plain letters, to be told from chance or from the others."""


@dataclass(frozen=True, slots=True)
class Needles:
    """What to look for. Made by `needles`."""

    windows: Mapping[bytes, str] = field(repr=False)
    """Every `WINDOW` bytes of every text, and the label of that text."""

    @property
    def labels(self) -> frozenset[str]:
        """The names of the texts, fit to be shown."""
        return frozenset(self.windows.values())

    def without(self, label: str) -> Needles:
        """The same without one text."""
        return Needles({window: of for window, of in self.windows.items() if of != label})

    def also(self, label: str, text: str) -> Needles:
        """The same and one more text. Raises Unsearchable."""
        return Needles({**needles({label: text}).windows, **self.windows})

    def find(self, data: bytes) -> Counter[str]:
        """How often each label was met in `data`: stretches that belong to it, however long."""
        found: Counter[str] = Counter()
        letters = data.translate(_LETTERS)
        last, after = "", -1  # the label of the window before, and where the next one begins
        at = letters.find(_HIT)
        while at >= 0:
            label = self.windows.get(data[at : at + WINDOW], "")
            if label and (label != last or at != after):
                found[label] += 1
            last, after = label, at + 1
            at = letters.find(_HIT, at + 1)
        return found


def needles(texts: Mapping[str, str]) -> Needles:
    """Needles for these texts, by the label under which each may be named (“statement 12”). Raises Unsearchable."""
    windows: dict[bytes, str] = {}
    for label, text in texts.items():
        for piece in READABLE.findall(text.encode()):
            for at in range(len(piece) - WINDOW + 1):
                windows.setdefault(piece[at : at + WINDOW], label)
    missing = texts.keys() - set(windows.values())
    if missing:
        raise Unsearchable(f"nothing to search for in {min(missing)}")
    return Needles(windows)


class Flow:
    """Bytes that arrive in chunks of any size, looked at as they come."""

    __slots__ = ("_needles", "_tail", "found", "size")

    def __init__(self, wanted: Needles) -> None:
        self._needles = wanted
        self._tail = b""
        self.found: Counter[str] = Counter()
        self.size = 0

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes. A text that is cut between two chunks may count once in each."""
        data = self._tail + chunk
        self.found.update(self._needles.find(data))
        self._tail = data[-(WINDOW - 1) :]
        self.size += len(chunk)


def search(wanted: Needles, chunks: Iterable[bytes]) -> Flow:
    """Look through everything `chunks` yields, as one flow."""
    flow = Flow(wanted)
    for chunk in chunks:
        flow.feed(chunk)
    return flow
