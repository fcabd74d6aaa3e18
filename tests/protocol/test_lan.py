"""Calls and answers on a local network: known answers, one reading, nothing that a stranger could tell apart."""

import itertools
import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tertulia.protocol import crypto, lan
from tertulia.protocol.address import NOWHERE, Address, AddressKind
from tertulia.protocol.commons import Commons
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.lan import DATAGRAM, FIRST_PORT, NO_CALL, Kind, Whereabouts

VECTORS = Path(__file__).parents[1] / "vectors"
LAN = json.loads((VECTORS / "lan.json").read_text())
HERE = Commons(bytes.fromhex(LAN["commons_key"]), LAN["generation"], "Casa")
OTHER = Commons(b"o" * 32, 1, "Otra")
PEER = bytes.fromhex(LAN["peer"])
MINUTE = LAN["datagrams"][0]["minute"]
PLACE = Address(AddressKind.IP4, "192.168.1.20", 40_000)
CALL = Whereabouts(Kind.CALL, PEER, PLACE)


def told(row: dict) -> Whereabouts:
    place = Address(AddressKind.IP4, row["host"], row["port"])
    return Whereabouts(Kind(row["kind"]), PEER, place, bytes.fromhex(row["call"]))


def reason(data: bytes, where: Commons = HERE, minute: int = MINUTE) -> RejectReason:
    with pytest.raises(RemoteError) as caught:
        lan.unseal(where, minute, data)
    return caught.value.reason


def sealed(plain: bytes) -> bytes:
    """A member's datagram with this inside."""
    nonce = os.urandom(24)
    return nonce + crypto.seal(lan._key(HERE, MINUTE), nonce, plain, b"")


def test_the_file_is_what_its_script_makes(tmp_path):
    script = tmp_path / "make_lan.py"
    script.write_bytes((VECTORS / "make_lan.py").read_bytes())
    subprocess.run([sys.executable, script], check=True)
    assert (tmp_path / "lan.json").read_text() == (VECTORS / "lan.json").read_text()


@pytest.mark.parametrize("row", LAN["datagrams"])
def test_known_datagrams(row):
    data = bytes.fromhex(row["datagram"])
    assert lan.seal(HERE, row["minute"], bytes.fromhex(row["nonce"]), told(row)) == data
    assert lan.unseal(HERE, row["minute"], data) == told(row)
    assert len(data) == DATAGRAM


@pytest.mark.parametrize("row", LAN["ports"])
def test_known_ports(row):
    assert lan.port(Commons(HERE.key, row["generation"], ""), row["minute"]) == row["port"]


@pytest.mark.parametrize("size", [0, 1, DATAGRAM - 1, DATAGRAM + 1, 65_507])
def test_another_size_is_not_looked_at(size):
    assert reason(bytes(size)) is RejectReason.LENGTH


def test_another_commons_minute_or_generation_does_not_open_it():
    data = lan.seal(HERE, MINUTE, os.urandom(24), CALL)
    assert reason(data, OTHER) is RejectReason.MAC
    assert reason(data, Commons(HERE.key, 2, "")) is RejectReason.MAC
    assert {reason(data, minute=MINUTE + far) for far in (-2, -1, 1, 2)} == {RejectReason.MAC}


def test_every_flipped_bit_is_refused():
    data = bytearray(lan.seal(HERE, MINUTE, os.urandom(24), CALL))
    for at in range(8 * DATAGRAM):
        data[at // 8] ^= 1 << at % 8
        assert reason(bytes(data)) is RejectReason.MAC
        data[at // 8] ^= 1 << at % 8
    assert lan.unseal(HERE, MINUTE, bytes(data)) == CALL


@pytest.mark.parametrize(
    ("kind", "place", "call", "rest", "wrong"),
    [
        (0, b"\xc0\xa8\x01\x14\x9c\x40", NO_CALL, bytes(25), RejectReason.SHAPE),
        (3, b"\xc0\xa8\x01\x14\x9c\x40", NO_CALL, bytes(25), RejectReason.SHAPE),
        (1, b"\xc0\xa8\x01\x14\0\0", NO_CALL, bytes(25), RejectReason.SHAPE),
        (1, bytes(4) + b"\x9c\x40", NO_CALL, bytes(25), RejectReason.SHAPE),
        (1, b"\xe0\0\0\1\x9c\x40", NO_CALL, bytes(25), RejectReason.SHAPE),
        (1, b"\xc0\xa8\x01\x14\x9c\x40", b"n" * 24, bytes(25), RejectReason.SHAPE),
        (2, b"\xc0\xa8\x01\x14\x9c\x40", NO_CALL, bytes(25), RejectReason.SHAPE),
        (1, b"\xc0\xa8\x01\x14\x9c\x40", NO_CALL, bytes(24) + b"\1", RejectReason.PADDING),
    ],
)
def test_a_members_junk_is_refused_for_its_reason(kind, place, call, rest, wrong):
    assert reason(sealed(bytes([kind]) + PEER + place + call + rest)) is wrong


@pytest.mark.parametrize(
    "said",
    [
        Whereabouts(Kind.CALL, PEER, NOWHERE),
        Whereabouts(Kind.CALL, PEER, Address(AddressKind.IP6, "fe80::1", 1)),
        Whereabouts(Kind.CALL, b"short", PLACE),
        Whereabouts(Kind.ANSWER, PEER, PLACE, b"short"),
    ],
)
def test_what_cannot_be_said_is_our_mistake(said):
    with pytest.raises(ValueError, match="a datagram names"):
        lan.seal(HERE, MINUTE, bytes(24), said)


def test_datagrams_of_one_machine_have_nothing_in_common():
    """Calls and answers, two minutes, two communities: each place of the datagram holds every byte equally often."""
    count = 4_000
    made = [
        lan.seal(where, minute, os.urandom(24), Whereabouts(kind, PEER, PLACE, call))
        for where in (HERE, OTHER)
        for minute in (MINUTE, MINUTE + 1)
        for kind, call in ((Kind.CALL, NO_CALL), (Kind.ANSWER, b"n" * 24))
        for _ in range(count // 8)
    ]
    assert {len(one) for one in made} == {DATAGRAM}
    # 256 places' worth of counts: chi-square with 255 degrees has mean 255 and deviation √510; 8 of them never happen.
    for place in range(DATAGRAM):
        seen = Counter(one[place] for one in made)
        off = sum((seen[byte] - count / 256) ** 2 / (count / 256) for byte in range(256))
        assert abs(off - 255) < 8 * math.sqrt(510), place
    fours = Counter(one[at : at + 8] for one in made for at in range(0, DATAGRAM, 8))
    assert max(fours.values()) == 1, "no eight bytes come twice"


def test_ports_say_nothing_and_are_all_used_alike():
    mine = [lan.port(HERE, MINUTE + minute) for minute in range(20_000)]
    theirs = [lan.port(OTHER, MINUTE + minute) for minute in range(20_000)]
    assert all(FIRST_PORT <= one < 2**16 for one in mine)
    # Two draws from 32,768 are equal once in so many: of 20,000 pairs, 0.6 on average.
    assert sum(one == two for one, two in zip(mine, theirs, strict=True)) < 10
    assert sum(one == two for one, two in itertools.pairwise(mine)) < 10
    assert len(set(mine)) > 12_000  # 32,768 · (1 − e^(−20,000/32,768)) ≈ 14,970


def test_nothing_of_it_shows_in_a_repr():
    text = repr(CALL)
    assert "192.168" not in text
    assert repr(PEER)[2:-1] not in text
