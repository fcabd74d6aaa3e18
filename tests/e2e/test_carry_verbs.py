"""`tertulia carry import` as a person meets it: files that are cut, of elsewhere, of later; what was good is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from carriers import commons, frame

from tertulia.node.carry import MAGIC
from tertulia.node.profile import Profile
from tertulia.node.served import read_record
from tertulia.node.store.archive import Archive, archive_key
from tertulia.protocol.commons import Commons

TERTULIA = Path(sys.executable).parent / "tertulia"
FRAMES = 10


class Person:
    """Somebody with a profile and a terminal."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.secret = home / "passphrase"
        self.secret.write_text("correct horse\n")
        self.secret.chmod(0o600)

    def tertulia(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TERTULIA_HOME": str(self.home)}
        return subprocess.run(
            [TERTULIA, *arguments], cwd=self.home, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def told(self, *arguments: str) -> dict:
        done = self.tertulia(*arguments, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def refused(self, *arguments: str) -> dict:
        """What a program is told, which is what a person is told in sentences."""
        spoken, asked = self.tertulia(*arguments), self.tertulia(*arguments, "--json")
        assert (spoken.returncode, asked.returncode) == (1, 1)
        problem = json.loads(asked.stdout)
        assert spoken.stdout == ""
        for part in ("error", "safe", "next"):
            assert problem[part] in " ".join(spoken.stderr.split())
        assert "Traceback" not in spoken.stderr
        return problem

    @property
    def commons(self) -> Commons:
        """The community of this profile, whose node must have ended."""
        profile = Profile(self.home / "main")
        archive = Archive.open(profile.archive, archive_key(profile.archive_key))
        (row,) = archive.commons()
        archive.close()
        return read_record(row.record, row.seed).commons


@pytest.fixture
def ana(tmp_path: Path) -> Iterator[Person]:
    """Ana, with a community; her node is not running, and will be locked."""
    person = Person(tmp_path)
    person.told("init", "--nick", "Ana", "--passphrase-file", str(person.secret), "--kdf-mib", "8", "--kdf-ops", "1")
    person.told("commons", "new", "Harbour", "--listen", "/ip4/127.0.0.1/tcp/0", "--yes")
    person.told("stop")
    yield person
    person.tertulia("stop")


def test_files_that_are_cut_of_elsewhere_or_of_later(ana: Person) -> None:
    raws = [frame(ana.commons).raw for _ in range(FRAMES)]
    whole = MAGIC + b"".join(raws)
    files = {
        "half": whole[: len(whole) // 2 + 100],
        "later": whole.replace(b"carry 1", b"carry 2", 1),
        "elsewhere": MAGIC + b"".join(frame(commons("Elsewhere")).raw for _ in range(FRAMES)),
        "picture": b"\x89PNG\r\n" + bytes(4_000),
        "whole": whole,
    }
    for name, data in files.items():
        (ana.home / name).write_bytes(data)
    assert "later version" in ana.refused("carry", "import", "later")["error"]
    assert "no carry file" in ana.refused("carry", "import", "picture")["error"]
    assert "could not be read" in ana.refused("carry", "import", "nowhere")["error"]
    half = ana.refused("carry", "import", "half")
    assert "cut off" in half["error"]
    assert "is kept" in half["safe"]
    kept = ana.told("carry", "import", "whole")
    assert (kept["known"], kept["new"]) == (FRAMES // 2, FRAMES - FRAMES // 2), "the half that was good"
    other = ana.told("carry", "import", "elsewhere")
    assert (other["strange"], other["new"], other["known"], other["old"]) == (FRAMES, 0, 0, 0)
    spoken = ana.tertulia("carry", "import", "elsewhere").stdout
    assert f"Not taken: {FRAMES} of other communities or damaged" in spoken
