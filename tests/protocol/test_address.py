"""Addresses of seed peers: one text, one byte form, nothing undialable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.address import (
    LIMIT_ADDRESS,
    NOWHERE,
    Address,
    AddressKind,
    from_bytes,
    from_multiaddr,
    peer_from_text,
    peer_text,
    to_bytes,
    to_multiaddr,
)
from tertulia.protocol.errors import LocalError

PEER = bytes.fromhex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")
PEER_TEXT = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"  # as py-libp2p writes the key of an all-zero seed

GOOD = [
    "/ip4/192.0.2.7/tcp/4001",
    "/ip4/127.0.0.1/tcp/1",
    "/ip6/2001:db8::1/tcp/65535",
    "/ip6/::1/tcp/4001",
    "/dns4/home.example.org/tcp/4001",
    "/dns4/localhost/tcp/4001",
    f"/dns4/{'a' * 28}.org/tcp/4001",
]
BAD = [
    "",
    "home",
    "/",
    "ip4/192.0.2.7/tcp/4001",
    "/ip4/0.0.0.0/tcp/4001",
    "/ip6/::/tcp/4001",
    "/ip6/::ffff:0.0.0.0/tcp/4001",
    "/ip4/224.0.0.1/tcp/4001",
    "/ip6/ff02::1/tcp/4001",
    "/ip6/fe80::1%eth0/tcp/4001",
    "/ip4/192.0.2.7/tcp/0",
    "/ip4/192.0.2.7/tcp/65536",
    "/ip4/192.0.2.7/tcp/-1",
    "/ip4/192.0.2.7/tcp/\u0661",
    "/ip4/192.0.2.7/tcp/000001",
    "/ip4/192.0.2.7/udp/4001",
    "/ip4/192.0.2/tcp/4001",
    "/ip4/192.0.2.07/tcp/4001",
    "/ip4/2001:db8::1/tcp/4001",
    "/ip6/192.0.2.7/tcp/4001",
    "/dns4//tcp/4001",
    "/dns4/-home/tcp/4001",
    "/dns4/home-/tcp/4001",
    "/dns4/home..org/tcp/4001",
    "/dns4/ho_me/tcp/4001",
    "/dns4/0.0.0.0/tcp/4001",
    "/dns4/home.0/tcp/4001",
    f"/dns4/{'a' * 29}.org/tcp/4001",
    "/dns6/home/tcp/4001",
    "/onion3/abc:80",
    "/ip4/192.0.2.7/tcp/4001/p2p",
    "/ip4/192.0.2.7/tcp/4001/p2p/QmWrong",
    f"/ip4/192.0.2.7/tcp/4001/p2p/{PEER_TEXT}/p2p-circuit",
    "/ip4/192.0.2.7/tcp/4001" + " " * 200,
]


@pytest.mark.parametrize("text", GOOD)
def test_a_good_address_survives_every_form(text):
    address, peer = from_multiaddr(text)
    assert peer == b""
    assert to_multiaddr(address) == text
    assert len(to_bytes(address)) <= LIMIT_ADDRESS
    assert from_bytes(address.kind, to_bytes(address)) == address
    assert from_multiaddr(f"{text}/p2p/{PEER_TEXT}") == (address, PEER)
    assert to_multiaddr(address, PEER) == f"{text}/p2p/{PEER_TEXT}"


@pytest.mark.parametrize("text", BAD)
def test_a_bad_address_is_refused_in_one_sentence(text):
    with pytest.raises(LocalError) as refused:
        from_multiaddr(text)
    assert "/ip4/192.168.1.20/tcp/4001" in refused.value.problem.next


def test_a_wildcard_is_called_one():
    with pytest.raises(LocalError, match="A wildcard address leads nowhere"):
        from_multiaddr("/ip4/0.0.0.0/tcp/4001")
    with pytest.raises(LocalError, match="not an address that others can dial"):
        from_multiaddr("nonsense")


def test_writing_varies_where_it_means_the_same():
    assert from_multiaddr(" /dns4/Home.Example.ORG/tcp/4001/ ")[0] == Address(
        AddressKind.DNS4, "home.example.org", 4001
    )
    assert from_multiaddr("/ip6/2001:DB8:0::1/tcp/04001")[0] == Address(AddressKind.IP6, "2001:db8::1", 4001)


def test_nowhere_is_no_bytes_and_no_text():
    assert to_bytes(NOWHERE) == b""
    assert from_bytes(0, b"") == NOWHERE
    assert to_multiaddr(NOWHERE, PEER) == ""


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (0, b"\0"),
        (1, bytes(6)),
        (1, bytes(5)),
        (1, b"\xc0\0\2\7\0\0"),
        (2, bytes(18)),
        (2, b"\xff\2" + bytes(14) + b"\1\1"),
        (2, bytes(17)),
        (3, b"\1\1"),
        (3, b"HOME\1\1"),
        (3, b"h\xc3\xb6\1\1"),
        (3, b"a" * 33 + b"\1\1"),
        (3, b"10\1\1"),
        (4, bytes(range(34))),
        (255, b""),
    ],
)
def test_bytes_that_name_no_address(kind, data):
    assert from_bytes(kind, data) is None


@given(st.integers(0, 255), st.binary(max_size=40))
def test_bytes_name_one_address_or_none(kind, data):
    address = from_bytes(kind, data)
    if address is not None:
        assert to_bytes(address) == data
        assert address == NOWHERE or from_multiaddr(to_multiaddr(address))[0] == address


@given(st.text(max_size=60) | st.from_regex(r"/(ip4|ip6|dns4)/[0-9a-f:.%-]{0,20}/tcp/[0-9]{0,6}(/p2p/\w{0,60})?"))
def test_text_gives_an_address_or_a_refusal(text):
    try:
        address, peer = from_multiaddr(text)
    except LocalError:
        return
    assert from_multiaddr(to_multiaddr(address, peer)) == (address, peer)


@given(st.binary(min_size=32, max_size=32))
def test_a_peers_name_is_its_key(key):
    assert peer_from_text(peer_text(key)) == key


def test_a_peers_name_is_written_as_libp2p_does():
    assert peer_text(PEER) == PEER_TEXT


@pytest.mark.parametrize(
    "text", ["", "0OIl", "1" * 65, "z" * 64, "z" * 52, PEER_TEXT[1:], "1" + PEER_TEXT, PEER_TEXT[:-1]]
)
def test_other_texts_name_no_peer(text):
    assert peer_from_text(text) is None


def test_its_repr_says_no_more_than_its_kind():
    assert "192" not in repr(from_multiaddr("/ip4/192.0.2.7/tcp/4001")[0])
