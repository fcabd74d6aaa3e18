"""Small secret files: whole or not at all, bounded, and gone when destroyed."""

import errno
import os

import pytest

from tertulia.node.store.files import destroy, read_limited, write_atomically
from tertulia.node.store.problems import StoreDamaged, StoreFailed, StoreFull, from_system


def test_writing_replaces_in_one_step_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "file"
    path.with_name("file.new").write_bytes(b"left by a crash")
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert read_limited(path, 3, "a file") == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_writing_does_not_follow_a_link_planted_in_its_way(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "file.new").symlink_to(victim)
    write_atomically(tmp_path / "file", b"one")
    assert victim.read_bytes() == b"precious"


def test_writing_where_there_is_no_folder_says_so(tmp_path):
    with pytest.raises(StoreFailed) as caught:
        write_atomically(tmp_path / "none" / "file", b"x")
    assert str(tmp_path / "none" / "file") in caught.value.problem.error


def test_reading_refuses_what_is_missing_too_long_or_no_file(tmp_path):
    (tmp_path / "long").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "long")
    os.mkfifo(tmp_path / "pipe")
    for name, error in (("none", StoreDamaged), ("long", StoreDamaged), ("link", StoreFailed), ("pipe", StoreFailed)):
        with pytest.raises(error):
            read_limited(tmp_path / name, 4, "a file")


def test_reading_a_folder_is_refused(tmp_path):
    with pytest.raises(StoreFailed):
        read_limited(tmp_path, 4, "a file")


def test_destroying_overwrites_then_removes(tmp_path):
    path, other = tmp_path / "file", tmp_path / "the same file under another name"
    path.write_bytes(b"secret" * 20)
    other.hardlink_to(path)
    destroy(path)
    assert not path.exists()
    assert len(other.read_bytes()) == 120
    assert b"secret" not in other.read_bytes()


def test_destroying_what_is_not_there_is_fine(tmp_path):
    destroy(tmp_path / "none")


def test_destroying_a_link_leaves_what_it_leads_to(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    destroy(tmp_path / "file")
    assert [entry.name for entry in tmp_path.iterdir()] == ["victim"]
    assert (tmp_path / "victim").read_bytes() == b"precious"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_told_from_other_trouble(tmp_path, number):
    assert isinstance(from_system(OSError(number, "x"), tmp_path), StoreFull)
    assert isinstance(from_system(OSError(errno.EIO, "x"), tmp_path), StoreFailed)
