"""Running a whole village on a virtual clock, the same way every time.

research/architecture.md §6: identical traces in fresh processes need trio's order of tasks, every die and every hash to
be fixed. The order is behind a switch of trio that is not public; it is touched here and nowhere else, and a canary
test fails when a new trio moves it. Invariants: the switch and the dice are as before when `run_virtual` returns;
nothing of this is imported by a node that serves a citizen.
"""

import random
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio
import trio.testing
from trio._core import _run as trio_run

Result = TypeVar("Result")
_SWITCH, _DICE = "_ALLOW_DETERMINISTIC_SCHEDULING", "_r"


def run_virtual(seed: int, main: Callable[[], Awaitable[Result]]) -> Result:
    """What `main` returns, run on a clock that jumps to the next deadline whenever all tasks wait.

    Raises RuntimeError when this process draws its hashes at random: sets would then be read in another order each
    time. Start Python with PYTHONHASHSEED=0.
    """
    if sys.flags.hash_randomization:
        raise RuntimeError("a run that can be replayed needs PYTHONHASHSEED=0 in the environment")
    with fixed_order(seed):
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@contextmanager
def fixed_order(seed: int) -> Iterator[None]:
    """Trio runs tasks in the order they were spawned, and `random` and trio's own dice start from `seed`."""
    module = vars(trio_run)
    switch, before, trios = module[_SWITCH], random.getstate(), module[_DICE].getstate()
    module[_SWITCH] = True
    module[_DICE].seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        module[_SWITCH] = switch
        module[_DICE].setstate(trios)
        random.setstate(before)
