"""How many cases a property is tried with.

An ordinary run takes the same few hundred each time, so that a change is judged by itself. `make fuzz` names a number
in TERTULIA_FUZZ_CASES, one of examples a property in TERTULIA_FUZZ_EXAMPLES, and draws new ones. No deadline: a busy
machine is not a failure.
"""

import os

import pytest
from hypothesis import settings

FUZZ_CASES = int(os.environ.get("TERTULIA_FUZZ_CASES", "0"))
ORDINARY_CASES = 2_000

settings.register_profile("ordinary", deadline=None, derandomize=True, database=None)
# An example of Hypothesis costs about a hundred plain fuzzed frames.
FUZZ_EXAMPLES = int(os.environ.get("TERTULIA_FUZZ_EXAMPLES", "0")) or max(100, FUZZ_CASES // 100)
settings.register_profile("fuzz", deadline=None, max_examples=FUZZ_EXAMPLES, print_blob=True)
settings.load_profile("fuzz" if FUZZ_CASES else "ordinary")


@pytest.fixture(scope="session")
def fuzz_cases() -> int:
    """Return how many inputs a test marked `fuzz` tries: 2,000, or what TERTULIA_FUZZ_CASES says."""
    return FUZZ_CASES or ORDINARY_CASES
