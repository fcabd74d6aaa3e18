"""Chance, by name: every part of a run draws from a stream of its own, all of them from one seed.

docs/guide/mesh.md, *Replay*. Invariants: the streams of a seed never touch each other, so that one more draw of the
network changes no person's mind; the same seed and name give the same stream on every machine.
"""

from __future__ import annotations

import random

Dice = random.Random


def dice(seed: int, name: str) -> Dice:
    """The stream of this name."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 - it must be foreseeable


def spread(stream: Dice, middle: int, part: float = 0.5) -> int:
    """`middle` ± that part of it, in the same unit; at least 1."""
    return max(1, round(middle * (1 + stream.uniform(-part, part))))
