"""The acceptance story, as `make story` tells it: all that must hold is asked, and holds."""

from __future__ import annotations

import json
import subprocess
import sys


def test_everything_that_must_hold_holds() -> None:
    command = [sys.executable, "-P", "-m", "tertulia.bootstrap.story"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    *lines, last = told.stdout.splitlines()
    found = json.loads(last)
    assert found["must_hold"] == found["held"] == sum(" holds: " in line for line in lines) >= 30
    assert "Traceback" not in told.stderr
