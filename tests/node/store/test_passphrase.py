"""The wrap: the right passphrase opens it, a wrong one says so, a damaged file is not taken for either."""

import subprocess
import sys
import time

import pytest

from tertulia.node.store import passphrase
from tertulia.node.store.passphrase import (
    DEFAULT_COST,
    Cost,
    Damaged,
    Newer,
    WrongPassphrase,
    calibrate,
    cost_of,
    panic,
    read_wrap,
    unwrap,
    wrap,
    write_wrap,
)
from tertulia.node.store.problems import StoreDamaged
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import LocalError

MASTER = bytes(range(32))
CHEAP = Cost(1, 1)
WORDS = "correct horse battery staple"


def remade(change):
    """A wrap whose fields were changed by somebody who knows the format."""
    header, nonce, sealed, _ = decode(wrap(MASTER, WORDS, CHEAP), 512)
    fields = decode(header, 512)
    parts = change(fields, nonce, sealed)
    header, nonce, sealed = encode(parts[0]), parts[1], parts[2]
    return encode([header, nonce, sealed, passphrase._check(header, nonce, sealed)])


def test_the_passphrase_opens_what_it_closed():
    assert unwrap(wrap(MASTER, WORDS, CHEAP), WORDS) == MASTER


def test_two_wraps_of_the_same_have_nothing_in_common():
    one, two = (decode(wrap(MASTER, WORDS, CHEAP), 512) for _ in range(2))
    assert all(a != b for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("wrong", ["Correct horse battery staple", WORDS + " ", "x", "\x00"])
def test_a_wrong_passphrase_says_so_and_changes_nothing(tmp_path, wrong):
    path = tmp_path / "vault.wrap"
    write_wrap(path, MASTER, WORDS, CHEAP)
    before = path.read_bytes()
    with pytest.raises(WrongPassphrase) as caught:
        read_wrap(path, wrong)
    assert caught.value.problem.error == "That is not the passphrase of this profile."
    assert path.read_bytes() == before
    assert read_wrap(path, WORDS) == MASTER
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_flipped_bit_is_damage_not_a_wrong_passphrase():
    data = wrap(MASTER, WORDS, CHEAP)
    for at in range(len(data)):
        for bit in range(8):
            with pytest.raises((Damaged, Newer)):
                unwrap(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :], WORDS)


def test_every_shorter_or_longer_file_is_damage():
    data = wrap(MASTER, WORDS, CHEAP)
    for cut in range(len(data)):
        with pytest.raises(Damaged):
            unwrap(data[:cut], WORDS)
    for more in (b"\x00", bytes(1000)):
        with pytest.raises(Damaged):
            unwrap(data + more, WORDS)


def test_the_words_are_the_same_however_the_keyboard_composes_them():
    assert unwrap(wrap(MASTER, "ma\u00f1ana", CHEAP), "man\u0303ana") == MASTER


@pytest.mark.parametrize(("mib", "ops"), [(2**20, 1), (0, 1), (-1, 1), (1, 0), (1, 2**31), (2**63, 1), ("1", 1)])
def test_a_hostile_cost_is_refused_before_it_is_spent(mib, ops):
    data = remade(lambda fields, nonce, sealed: ([*fields[:2], mib, ops, fields[4]], nonce, sealed))
    start = time.perf_counter()
    with pytest.raises(Damaged):
        unwrap(data, WORDS)
    assert time.perf_counter() - start < 0.5


def test_the_header_is_bound_to_what_it_seals():
    data = remade(lambda fields, nonce, sealed: ([*fields[:3], 2, fields[4]], nonce, sealed))
    with pytest.raises(WrongPassphrase):
        unwrap(data, WORDS)


def test_a_wrap_of_a_newer_release_is_told_apart():
    data = remade(lambda fields, nonce, sealed: ([fields[0], 2, "whatever", "that", "holds", 1], nonce, sealed))
    with pytest.raises(Newer) as caught:
        unwrap(data, WORDS)
    assert "newer Tertulia" in caught.value.problem.error


@pytest.mark.parametrize("bad", ["", "x" * 1025, "\ud800"])
def test_a_passphrase_that_cannot_be_one_is_refused(bad):
    with pytest.raises(LocalError):
        wrap(MASTER, bad, CHEAP)


@pytest.mark.parametrize(("mib", "ops"), [(0, 1), (5000, 1), (1, 0), (1, 65)])
def test_a_cost_out_of_bounds_is_refused(mib, ops):
    with pytest.raises(LocalError):
        Cost(mib, ops)


def test_the_default_cost_is_what_is_promised_and_recorded():
    assert DEFAULT_COST.mib >= 256
    data = wrap(MASTER, WORDS)
    assert cost_of(data) == DEFAULT_COST
    assert unwrap(data, WORDS) == MASTER


def test_calibration_never_goes_below_the_least():
    cost = calibrate()
    assert cost.mib == DEFAULT_COST.mib
    assert passphrase.LEAST_PASSES <= cost.ops <= passphrase.LIMIT_PASSES


def test_memory_that_cannot_be_had_is_a_sentence():
    limit = 512 * 1024 * 1024
    data = wrap(MASTER, WORDS, CHEAP)
    big = remade(lambda fields, nonce, sealed: ([*fields[:2], 2048, 1, fields[4]], nonce, sealed))
    code = (
        "import resource, sys\n"
        "from tertulia.node.store.passphrase import unwrap\n"
        "from tertulia.protocol.errors import LocalError\n"
        "big, small = map(bytes.fromhex, sys.argv[1:])\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n"
        "try:\n"
        f"    unwrap(big, {WORDS!r})\n"
        "except LocalError as error:\n"
        f"    print(error.problem.error, len(unwrap(small, {WORDS!r})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, big.hex(), data.hex()], check=False, capture_output=True, text=True
    )
    assert "2048 MiB of memory" in done.stdout, done.stderr
    assert done.stdout.endswith(" 32\n")


def test_panic_destroys_the_wrap_for_ever(tmp_path):
    path = tmp_path / "vault.wrap"
    write_wrap(path, MASTER, WORDS, CHEAP)
    kept = tmp_path / "the same blocks"
    kept.hardlink_to(path)
    path.with_name("vault.wrap.new").write_bytes(wrap(MASTER, WORDS, CHEAP))
    panic(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["the same blocks"]
    with pytest.raises(Damaged):
        unwrap(kept.read_bytes(), WORDS)
    with pytest.raises(StoreDamaged):
        read_wrap(path, WORDS)
    panic(path)


def test_a_passphrase_changed_with_no_room_left_keeps_the_old_one(tmp_path):
    path = tmp_path / "vault.wrap"
    write_wrap(path, MASTER, WORDS, CHEAP)
    code = (
        "import pathlib, resource, sys\n"
        "from tertulia.node.store.passphrase import Cost, write_wrap\n"
        "from tertulia.node.store.problems import StoreFull\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n"
        "try:\n"
        "    write_wrap(pathlib.Path(sys.argv[1]), bytes(32), 'new words', Cost(1, 1))\n"
        "except StoreFull as error:\n"
        "    print(error.problem.error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False, capture_output=True, text=True)
    assert "no room" in done.stdout, done.stderr
    assert read_wrap(path, WORDS) == MASTER
    assert [entry.name for entry in tmp_path.iterdir()] == ["vault.wrap"]
