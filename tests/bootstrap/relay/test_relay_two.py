"""Two relays and citizens as nodes are them, relayed: one relay is killed under load, and nobody loses a frame."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from dataclasses import replace

import trio
from carriers import Ear, commons, frame, held, network
from relays import RelayProcess, relay, ticket
from waiting import eventually

from tertulia.node.clock import wall_clock
from tertulia.node.network import Network
from tertulia.node.reach import Relayed
from tertulia.node.substrate import PeerId
from tertulia.protocol import frame as frames
from tertulia.protocol.address import from_multiaddr
from tertulia.protocol.commons_card import CommonsCard, Stewards, unsigned
from tertulia.protocol.commons_card import Relay as Listed
from tertulia.protocol.commons_chain import card_frame_keys, chain_item
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.frame import FrameClass

HERE = replace(commons("Casa"), peer=b"", addresses=())
CITIZENS = 5


def address_of(one: RelayProcess) -> str:
    (found,) = one.verb("status")["communities"]
    return found["address"]


def relayed(*addresses: str) -> Relayed:
    peers = {PeerId(one.rpartition("/p2p/")[2]): (one,) for one in addresses}
    return Relayed(peers, {}, {peer: f"relay {number}" for number, peer in enumerate(peers)})


async def all_hold(citizens: list[tuple[Network, Ear]], frames: set[bytes], seconds: float = 60) -> None:
    async def whole() -> bool:
        return all([frames <= await held(net.carrier) for net, _ in citizens])

    await eventually(whole, seconds)


async def test_a_relay_is_killed_under_load_and_everyone_has_everything(tmp_path) -> None:
    async with relay(tmp_path / "r1", HERE) as first, relay(tmp_path / "r2", HERE) as second:
        one, two = address_of(first), address_of(second)
        first.verb("allow", ticket(HERE), "--beside", two)
        second.verb("allow", ticket(HERE), "--beside", one)
        async with AsyncExitStack() as stack:
            citizens = [
                await stack.enter_async_context(network(tmp_path / f"c{number}", HERE)) for number in range(CITIZENS)
            ]
            for net, _ in citizens:
                net.go(relayed(one, two))
            for net, ear in citizens:
                await ear.until(lambda net=net: net.reached >= 1, 60)
            said: set[bytes] = set()
            for turn in range(12):
                if turn == 4:
                    first.end(signal.SIGKILL)
                for net, _ in citizens:
                    made = frame(HERE)
                    said.add(made.id)
                    await net.carrier.publish([made])
                await trio.sleep(0.1)
            await all_hold(citizens, said)
            # Nobody was dialled or listened: what is connected is the relay that is left.
            left = PeerId(two.rpartition("/p2p/")[2])
            assert all(set(net.neighbours) <= {left} and not net.addresses for net, _ in citizens)
            # It comes back, by itself in step with the other one: what was said meanwhile reaches it.
            first.start()
            await first.answers()
            await eventually(lambda: first.verb("status")["communities"][0]["frames"] >= len(said), 60)


async def test_relays_gossip_what_is_put_at_either(tmp_path) -> None:
    async with relay(tmp_path / "r1", HERE) as first, relay(tmp_path / "r2", HERE) as second:
        one, two = address_of(first), address_of(second)
        second.verb("allow", ticket(HERE), "--beside", one)
        async with network(tmp_path / "a", HERE) as ana, network(tmp_path / "b", HERE) as ruth:
            ana[0].go(relayed(one))
            ruth[0].go(relayed(two))
            for net, ear in (ana, ruth):
                await ear.until(lambda net=net: net.reached >= 1, 60)
            mine, theirs = frame(HERE), frame(HERE)
            await ana[0].carrier.publish([mine])
            await ruth[0].carrier.publish([theirs])
            await all_hold([ana, ruth], {mine.id, theirs.id})
            await ana[1].until(lambda: mine.id in {kept.frame for kept in ana[1].keeps})


async def test_relays_learn_of_each_other_from_the_community_s_card(tmp_path) -> None:
    steward = b"s" * 32
    stewards = Stewards((signing_public(steward),), 1)
    here = replace(HERE, stewards=stewards.digest)
    async with relay(tmp_path / "r1", here) as first, relay(tmp_path / "r2", here) as second:
        one, two = address_of(first), address_of(second)
        listed = [Listed(key, name, (place,)) for name, (place, key) in
                  {"one": from_multiaddr(one), "two": from_multiaddr(two)}.items()]  # fmt: skip
        minute = wall_clock() // 60_000
        card = CommonsCard(
            here.id, 1, here.generation, here.name, here.retention_days, stewards,
            relays=tuple(sorted(listed, key=lambda relay: relay.peer)), issued=minute, expires=minute + 1_000,
        )  # fmt: skip
        chain = (unsigned(card).with_signature(steward),)
        sealed = frames.seal(
            here.key, card_frame_keys(here.key), FrameClass.LARGE, frames.publication_minute(wall_clock()),
            os.urandom(24), [chain_item(chain)],
        )  # fmt: skip
        async with network(tmp_path / "a", here) as ana, network(tmp_path / "b", here) as ruth:
            ana[0].go(relayed(one))
            ruth[0].go(relayed(two))
            for net, ear in (ana, ruth):
                await ear.until(lambda net=net: net.reached >= 1, 60)
            word = frame(here)
            await ana[0].carrier.publish([sealed, word])
            await all_hold([ruth], {sealed.id, word.id})
