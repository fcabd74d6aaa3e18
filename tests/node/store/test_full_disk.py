"""R4 at the size of this part: a full disk is said, nothing half-done stays, and the store works when room returns."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tertulia.node.store.archive import Archive, archive_key
from tertulia.node.store.passphrase import Cost, write_wrap
from tertulia.node.store.problems import StoreFull
from tertulia.node.store.vault import Vault
from tertulia.protocol.effects import Put, Table
from tertulia.protocol.ids import CommonsId, FrameId

KEY = bytes(range(32))
HERE = CommonsId(b"h" * 32)
SIZE = 6 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 6 MiB of its own; root only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("SKIPPED ALOUD: the full-disk test needs root to mount a tmpfs")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"SKIPPED ALOUD: the full-disk test cannot mount a tmpfs here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def batch(number: int) -> list[Put]:
    return [Put(Table.EVENT, b"%06d.%03d" % (number, row), os.urandom(4000)) for row in range(64)]


def fill_up(folder) -> None:
    with (folder / "something large").open("wb") as file:
        for size in (65_536, 4096, 1):
            try:
                while True:
                    os.write(file.fileno(), bytes(size))
            except OSError:
                continue


def commit_until_full(vault: Vault) -> int:
    kept = 0
    with pytest.raises(StoreFull) as caught:  # noqa: PT012  (which of the commits it is, is the disk's business)
        for kept in range(10_000):
            vault.commit(batch(kept))
    assert "no room" in caught.value.problem.error
    assert "confirmed before is still there" in caught.value.problem.safe
    return kept


def test_a_vault_on_a_full_disk_refuses_keeps_and_goes_on(small_disk):
    vault = Vault.create(small_disk / "vault.db", KEY)
    kept = commit_until_full(vault)
    assert kept > 0
    for _ in range(3):
        with pytest.raises(StoreFull):
            vault.commit(batch(kept))
        assert len(list(vault.rows(Table.EVENT))) == kept * 64  # readable, and nothing of the batch that failed
    vault.close()
    vault = Vault.open(small_disk / "vault.db", KEY)
    assert len(list(vault.rows(Table.EVENT))) == kept * 64
    vault.close()


def test_a_vault_works_again_when_there_is_room(small_disk):
    vault = Vault.create(small_disk / "vault.db", KEY)
    vault.commit(batch(0))
    fill_up(small_disk)
    for _ in range(3):
        commit_until_full(vault)
    before = len(list(vault.rows(Table.EVENT)))
    (small_disk / "something large").unlink()
    vault.commit(batch(200))
    assert len(list(vault.rows(Table.EVENT))) == before + 64
    vault.close()
    vault = Vault.open(small_disk / "vault.db", KEY)
    assert len(list(vault.rows(Table.EVENT))) == before + 64
    vault.close()


def test_a_vault_can_be_opened_and_read_on_a_full_disk(small_disk):
    vault = Vault.create(small_disk / "vault.db", KEY)
    vault.commit(batch(0))
    vault.close()
    fill_up(small_disk)
    vault = Vault.open(small_disk / "vault.db", KEY)
    assert len(list(vault.rows(Table.EVENT))) == 64
    vault.close()


def test_an_archive_on_a_full_disk_takes_whole_batches_or_nothing(small_disk):
    archive = Archive.create(small_disk / "archive.db", KEY)
    archive.put_commons(HERE, b"")
    number = 0
    with pytest.raises(StoreFull):  # noqa: PT012  (as above)
        for number in range(10_000):
            archive.add(HERE, [(FrameId(os.urandom(32)), number, os.urandom(16_384)) for _ in range(16)], 5)
    assert archive.usage(HERE).frames == number * 16
    assert len(list(archive.between(HERE, 0, number))) == number * 16
    archive.close()


def test_nothing_half_made_stays_when_a_profile_is_made_on_a_full_disk(small_disk):
    fill_up(small_disk)
    for make in (
        lambda: Vault.create(small_disk / "vault.db", KEY),
        lambda: Archive.create(small_disk / "archive.db", KEY),
        lambda: archive_key(small_disk / "archive.key"),
        lambda: write_wrap(small_disk / "vault.wrap", KEY, "words", Cost(1, 1)),
    ):
        with pytest.raises(StoreFull):
            make()
    assert [entry.name for entry in small_disk.iterdir()] == ["something large"]


def test_a_limit_on_file_size_is_a_full_disk_too(tmp_path):
    """Without root: the same through RLIMIT_FSIZE, in a process of its own."""
    code = f"""
import resource, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_full_disk import KEY, Table, Vault, batch, commit_until_full
vault = Vault.create(Path(sys.argv[1]), KEY)
vault.commit(batch(0))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
kept = commit_until_full(vault)
rows = len(list(vault.rows(Table.EVENT)))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
vault.commit(batch(500_000))
print(kept, rows, len(list(vault.rows(Table.EVENT))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "vault.db"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kept, full, after = map(int, done.stdout.split())
    assert kept > 0
    assert full == kept * 64
    assert after == full + 64
    vault = Vault.open(tmp_path / "vault.db", KEY)
    assert len(list(vault.rows(Table.EVENT))) == after
    vault.close()
