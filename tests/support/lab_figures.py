"""`make lab`: every test of the lab in network namespaces, at full size, and its figures; the last line is JSON.

GOALS.md W1, W3, W4, R1 and what a relayed citizen sends elsewhere. A figure whose test failed is null, with the reason.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

E2E = Path(__file__).parents[1] / "e2e"
GOALS = {"W1": "0", "W4": "1, 4, 16", "R1": "<= 30", "W3 members": "<= 0.05", "relayed elsewhere": "0"}
LINE = re.compile(r'\{"figures": .*\}$')


def main() -> int:
    """Run the tests; the exit code says whether all is well."""
    files = sorted(str(path) for path in E2E.glob("test_lab_*.py"))
    found: dict[str, dict[str, Any]] = {}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            told = LINE.search(line.rstrip())
            if told is None:
                print(line, end="", flush=True)
                continue
            found |= {one["id"]: one for one in json.loads(told[0])["figures"]}
    for name, goal in GOALS.items():
        reason = "its test failed, or was skipped: see above"
        found.setdefault(name, {"id": name, "value": None, "goal": goal, "ok": False, "reason": reason})
    for one in found.values():
        beside = ", ".join(
            f"{what} {value}" for what, value in one.items() if what not in {"id", "value", "unit", "goal", "ok"}
        )
        print(f"{one['id']:18} {one['value']!s:>10} {one.get('unit', ''):8} (goal {one['goal']}) {beside}")
    ok = run.returncode == 0 and all(one["ok"] for one in found.values())
    print(json.dumps({"figures": list(found.values()), "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
