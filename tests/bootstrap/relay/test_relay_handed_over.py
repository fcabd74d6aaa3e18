"""`tertulia relay …` becomes the relay's own program, with its words as they were typed."""

import json
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-c", "from tertulia.tui.cli import main; main()"]


def tertulia(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)


@pytest.mark.parametrize("json_first", [True, False])
def test_a_relay_s_errors_are_the_command_s(tmp_path, json_first):
    words = ["relay", "status", "--folder", str(tmp_path / "none")]
    done = tertulia(*(["--json", *words] if json_first else [*words, "--json"]))
    assert done.returncode == 1
    assert "no relay in this folder" in json.loads(done.stdout)["error"]


def test_help_is_the_relay_s_own():
    done = tertulia("relay", "init", "--help")
    assert done.returncode == 0
    assert b"--systemd" in done.stdout
