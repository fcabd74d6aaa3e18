"""Many seeds, on every core of this machine: each in a process that has done nothing else for long.

GOALS R2. Invariants: a run depends on its seed and scenario alone, whichever process does it; runs are told in the
order of their seeds.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from typing import Final

from tertulia.bootstrap.mesh.report import Run, outcome
from tertulia.bootstrap.mesh.scenario import load
from tertulia.bootstrap.mesh.world import World

LIMIT_RUNS: Final = 32
"""Runs of one process: a library that leaks is not what is looked for here."""

Task = tuple[str, int]


def one(task: Task) -> Run:
    """Run a seed of a scenario, given by its name or file."""
    name, seed = task
    began = time.process_time()
    world = World(load(name), seed)
    world.run()
    return outcome(world, name, time.process_time() - began)


def sweep(tasks: Iterable[Task], workers: int | None = None) -> Iterator[Run]:
    """Run them all; gives each as soon as it and all before it are done. `workers`: processes, else one a core."""
    with multiprocessing.get_context("spawn").Pool(workers or os.cpu_count() or 1, maxtasksperchild=LIMIT_RUNS) as pool:
        yield from pool.imap(one, tasks)
