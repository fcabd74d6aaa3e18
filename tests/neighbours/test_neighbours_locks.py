"""What the neighbours run on is named to the byte, and no lock says where it was fetched from."""

import json
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LOCKS = sorted(HERE.glob("*/package-lock.json"))
EXACT = re.compile(r"\d+\.\d+\.\d+")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parent.name)
def test_every_package_has_a_hash_and_no_host(lock):
    packages = json.loads(lock.read_text())["packages"]
    root = packages.pop("")
    assert all(EXACT.fullmatch(version) for version in root["dependencies"].values()), "exact versions, no ranges"
    assert packages
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []
    assert [name for name, entry in packages.items() if "resolved" in entry] == []


def test_every_tool_has_an_exact_version_and_a_hash():
    lines = (HERE / "tools.lock").read_text().replace("\\\n", " ").splitlines()
    tools = [line for line in lines if line and not line.startswith("#")]
    assert tools
    assert [line for line in tools if not re.search(r"==\d+(\.\d+)* .*--hash=sha256:[0-9a-f]{64}", line)] == []
