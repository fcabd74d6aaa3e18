"""`make fuzz`: every test marked `fuzz` and every property of Hypothesis, at full size; ends with one line of JSON.

GOALS.md B1 (10⁶ fuzzed frames). TERTULIA_FUZZ_CASES says how many cases each fuzz test tries, TERTULIA_FUZZ_EXAMPLES
how many a property tries: as many as end within half an hour on two cores; `-m fuzz` leaves them out. Invariant: each
test is an entry of its own, with the seconds it took; of one that did not pass the value is null, with why.
"""

import json
import os
import sys
from typing import Any

import pytest

CASES = int(os.environ.get("TERTULIA_FUZZ_CASES", "1000000"))
EXAMPLES = int(os.environ.get("TERTULIA_FUZZ_EXAMPLES", "3000"))
LIMIT_REASON = 200


class Results:
    """Collects how each test went."""

    def __init__(self) -> None:
        self.figures: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest after each phase of each test."""
        if report.when != "call" and not report.failed and not report.skipped:
            return
        entry: dict[str, Any] = {
            "id": report.nodeid.removeprefix("tests/"),
            "value": round(report.duration, 2),
            "unit": "s",
            "goal": None,
            "ok": report.passed,
            "cases": CASES if "fuzz" in report.keywords else EXAMPLES,
        }
        if not report.passed:
            reason = (str(report.longrepr).strip().splitlines() or [report.outcome])[-1]
            entry |= {"value": None, "reason": reason[:LIMIT_REASON]}
        self.figures.append(entry)


def main() -> int:
    os.environ["TERTULIA_FUZZ_CASES"] = str(CASES)
    os.environ["TERTULIA_FUZZ_EXAMPLES"] = str(EXAMPLES)
    results = Results()
    unhurried = ["-o", "faulthandler_timeout=0"]  # at this size a test takes minutes, and is not stuck
    status = pytest.main(["-q", "-m", "fuzz or hypothesis", *unhurried, *sys.argv[1:]], plugins=[results])
    ok = status == pytest.ExitCode.OK
    print(json.dumps({"figures": results.figures, "cases": sum(e["cases"] for e in results.figures), "ok": ok}))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
