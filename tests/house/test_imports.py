"""The import contracts of pyproject.toml catch what they forbid: a planted import breaks exactly its contract."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS = "A floor imports only the floors below it"
FACE_ALONE = "The face starts nodes as processes and imports neither node nor bootstrap"
FACE_WORDS = "The face takes only the control messages and the text cleaner from the protocol"
PURE = "The protocol is pure"
ONE_PLACE = "libp2p is met in one place"
CONTRACTS = {LAYERS, FACE_ALONE, FACE_WORDS, PURE, ONE_PLACE}

#: A house small enough to analyse in a moment, with every import that is allowed and easily taken for a breach.
HOUSE = {
    "protocol/__init__.py": "",
    "protocol/frame.py": "import hashlib\nimport nacl.secret\nimport cbor2\n",
    "protocol/control.py": "from tertulia.protocol import frame\n",
    "protocol/text.py": "import unicodedata\n",
    "node/__init__.py": "",
    "node/service.py": "import trio\nfrom tertulia.node import substrate\nfrom tertulia.protocol import frame\n",
    "node/substrate/__init__.py": "import libp2p\n",
    "node/substrate/host.py": "import libp2p\n",
    "bootstrap/__init__.py": "",
    "bootstrap/citizen.py": "from tertulia.node import service\nfrom tertulia.protocol import frame\n",
    "tui/__init__.py": "",
    "tui/app.py": "from tertulia.protocol import control, text\n",
    "tui/cli/__init__.py": "from tertulia.protocol.control import frame\n",
}

BREACHES = [
    pytest.param("protocol/frame.py", "from tertulia.node import service", {LAYERS, PURE, FACE_ALONE}, id="below-up"),
    pytest.param("node/service.py", "from tertulia.bootstrap import citizen", {LAYERS}, id="node-bootstrap"),
    pytest.param("bootstrap/citizen.py", "from tertulia.tui import app", {LAYERS}, id="bootstrap-tui"),
    pytest.param("tui/cli/__init__.py", "from tertulia.bootstrap import citizen", {FACE_ALONE}, id="tui-bootstrap"),
    pytest.param("tui/app.py", "from tertulia.node import service", {FACE_ALONE}, id="tui-node"),
    pytest.param("tui/app.py", "from tertulia.protocol import frame", {FACE_WORDS}, id="tui-frame"),
    pytest.param("node/service.py", "import libp2p", {ONE_PLACE}, id="node-libp2p"),
    pytest.param("bootstrap/citizen.py", "from libp2p.host import basic_host", {ONE_PLACE}, id="bootstrap-libp2p"),
    pytest.param("protocol/text.py", "import libp2p", {PURE, ONE_PLACE}, id="protocol-libp2p"),
    *(
        pytest.param("protocol/text.py", f"import {name}", {PURE}, id=f"protocol-{name}")
        for name in (
            "trio", "asyncio", "socket", "time", "random", "secrets", "os.path", "threading", "sqlite3", "apsw",
            "pathlib", "datetime",
        )
    ),
]  # fmt: skip


def build_house(root: Path) -> None:
    for name, text in HOUSE.items():
        path = root / "tertulia" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(ROOT / "pyproject.toml", root)


def broken(root: Path) -> set[str]:
    """Return the names of the contracts that the house under `root` breaks."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    report = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", report, re.MULTILINE))
    assert verdicts.keys() == CONTRACTS, report
    return {name for name, verdict in verdicts.items() if verdict == "BROKEN"}


def test_what_is_allowed_is_kept(tmp_path):
    build_house(tmp_path)
    assert broken(tmp_path) == set()


@pytest.mark.parametrize(("module", "statement", "contracts"), BREACHES)
def test_a_planted_import_breaks_its_contract(module, statement, contracts, tmp_path):
    build_house(tmp_path)
    with (tmp_path / "tertulia" / module).open("a") as source:
        source.write(statement + "\n")
    assert broken(tmp_path) == contracts


@pytest.mark.parametrize("statement", ["import node", "from protocol import frame", "from . import frame"])
def test_the_linter_refuses_a_floor_by_its_bare_name(statement, tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "sample.py").write_text(f'"""Sample."""\n\n{statement}\n')
    command = [Path(sys.executable).with_name("ruff"), "check", "--no-cache", "--output-format=concise", "sample.py"]
    report = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert "TID25" in report
