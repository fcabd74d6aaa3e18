"""Where to listen and what to publish."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from tertulia.node import addresses
from tertulia.node.addresses import Listen, can_listen, parse_listen, published, settle
from tertulia.node.network import targets
from tertulia.node.substrate import PeerId, peer_id_bytes, peer_id_of
from tertulia.protocol.commons import Commons
from tertulia.protocol.errors import LocalError

LOOP = ipaddress.IPv4Address("127.0.0.1")


@pytest.mark.parametrize("text", ["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/0", "/ip4/0.0.0.0/tcp/65535"])
def test_listen_there_and_back(text) -> None:
    assert str(parse_listen(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "127.0.0.1:4001", "/ip4/127.0.0.1", "/ip4/300.0.0.1/tcp/1", "/ip4/::1/tcp/1", "/ip6/127.0.0.1/tcp/1",
        "/dns4/example.org/tcp/1", "/ip4/127.0.0.1/tcp/65536", "/ip4/127.0.0.1/tcp/-1", "/ip4/127.0.0.1/tcp/٣",
        "/ip4/127.0.0.1/tcp/1/p2p/x", "/ip4/224.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/1", "/ip4/" + "1" * 100 + "/tcp/1",
    ],
)  # fmt: skip
def test_listen_refused(text) -> None:
    with pytest.raises(LocalError, match="listen"):
        parse_listen(text)


def test_a_proposal_can_be_listened_on_and_published() -> None:
    proposal = addresses.propose()
    assert addresses.FIRST_PORT <= proposal.port < addresses.LAST_PORT
    assert not proposal.host.is_unspecified
    assert can_listen(proposal)
    assert published(proposal) == (str(proposal),)


def test_port_0_is_settled_once() -> None:
    settled = settle(Listen(LOOP, 0))
    assert settled.port
    assert settle(settled) == settled


def test_a_port_in_use_is_not_proposed_nor_listened_on() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not can_listen(Listen(LOOP, taken.getsockname()[1]))


def test_an_address_of_another_machine_cannot_be_had() -> None:
    with pytest.raises(LocalError, match="cannot listen"):
        settle(Listen(ipaddress.IPv4Address("198.51.100.7"), 0))


def test_a_wildcard_is_never_published() -> None:
    (told,) = published(parse_listen("/ip4/0.0.0.0/tcp/4001"))
    assert told == f"/ip{addresses.lan_host().version}/{addresses.lan_host()}/tcp/4001"
    with pytest.raises(LocalError, match="wildcard"):
        published(parse_listen("/ip4/0.0.0.0/tcp/4001"), ["/ip4/0.0.0.0/tcp/4001"])


def test_what_is_announced_is_published_without_a_peer() -> None:
    peer = peer_id_of(bytes(32))
    told = published(Listen(LOOP, 4001), [f"/dns4/home.example.org/tcp/9/p2p/{peer}", "/ip4/192.0.2.1/tcp/4001"])
    assert told == ("/dns4/home.example.org/tcp/9", "/ip4/192.0.2.1/tcp/4001")


def test_who_is_dialled() -> None:
    seed, other = peer_id_of(bytes(32)), peer_id_of(b"\1" * 32)
    here = Commons(bytes(32), 1, "", addresses=("/ip4/192.0.2.1/tcp/1",), peer=peer_id_bytes(seed))
    peers = (f"/ip4/192.0.2.2/tcp/2/p2p/{other}", f"/ip4/192.0.2.3/tcp/3/p2p/{other}", "/ip4/192.0.2.4/tcp/4")
    assert targets(here, peers, PeerId("me")) == {
        seed: [f"/ip4/192.0.2.1/tcp/1/p2p/{seed}"],
        other: list(peers[:2]),
    }
    assert list(targets(here, (), seed)) == []
    assert list(targets(Commons(bytes(32), 1, ""), (), seed)) == []
