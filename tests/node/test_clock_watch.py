"""A clock that jumped erases nothing, neither in the vault nor in the archive, until it is confirmed.

Spec: docs/spec/core.md §6. Whole nodes on loopback whose clock is moved between two starts.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

import pytest
from carriers import carrier, commons, frame, held
from citizens import PASSPHRASE, Config, admitted, found, invited, join, open_citizen, sent, until

from tertulia.node.citizen import Citizen
from tertulia.node.problems import LOCKED
from tertulia.protocol.errors import LocalError
from tertulia.protocol.timekeeping import JUMP_MS

HERE = commons()
DAY = 24 * 60 * 60 * 1_000


class Hands:
    """A clock that goes on, and can be moved (ms)."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead


async def test_nothing_is_evicted_while_the_clock_is_in_doubt(tmp_path) -> None:
    hands = Hands()
    async with carrier(tmp_path / "a", HERE, clock=hands) as one:
        kept = frame(HERE)
        await one.keep([kept], "somebody")
        await one.evict()
    hands.ahead = 40 * DAY
    async with carrier(tmp_path / "a", HERE, clock=hands) as one:
        await one.evict()
        assert await held(one) == {kept.id}
        await one.clock_seen("p1", hands())
        await one.clock_seen("p1", hands())
        await one.clock_seen("p2", hands() - 40 * DAY)
        await one.evict()
        assert await held(one) == {kept.id}
        cleared = one.shelf.watch.cleared
        await one.clock_seen("p3", hands())
        assert cleared.is_set()
        await one.evict()
        assert await held(one) == set()
    hands.ahead += JUMP_MS - 60_000
    async with carrier(tmp_path / "a", HERE, clock=hands) as one:
        assert await one.shelf.watch.look(hands()), "what was confirmed was written down"


def keys_of(citizen: Citizen) -> set[bytes]:
    """Epoch secrets and prekeys."""
    return {key for one in citizen.service.core.dialogues.values() for key in (*one.secrets, *one.prekeys)}


async def test_after_a_jump_a_node_keeps_its_keys_until_the_person_confirms(tmp_path) -> None:
    hands = Hands()
    async with open_citizen(tmp_path / "ana", Config(), clock=hands) as ana:
        await found(ana, "Ana")
        before = keys_of(ana)
        assert before
        assert ana.methods.status()["clock"] == {}
    hands.ahead = 400 * DAY
    async with open_citizen(tmp_path / "ana", Config(), clock=hands) as ana:
        with pytest.raises(LocalError, match=LOCKED.error):
            await ana.call("clock.confirm")  # not for whoever finds the machine
        await ana.call("unlock", {"passphrase": PASSPHRASE})
        told = ana.methods.status()["clock"]
        assert isinstance(told, dict)
        assert told["agree"] == 0
        assert 399 * DAY < int(str(told["shows"])) - int(str(told["known"])) < 401 * DAY
        assert before <= keys_of(ana)
        await ana.call("clock.confirm")
        assert not before & keys_of(ana)
        assert ana.methods.status()["clock"] == {}


async def test_two_neighbours_end_the_doubt_of_a_node_that_was_off_for_long(tmp_path) -> None:
    hands = Hands()
    async with open_citizen(tmp_path / "ana", Config(), clock=hands) as ana:
        talk = await found(ana, "Ana")
        async with AsyncExitStack() as stack:
            for name in ("ben", "eva"):
                guest = await stack.enter_async_context(open_citizen(tmp_path / name, Config(), clock=hands))
                await admitted(guest, await join(guest, name, await invited(ana, talk)))
            await sent(ana)
        before = keys_of(ana)
    hands.ahead = 400 * DAY
    async with AsyncExitStack() as stack:
        ana = await stack.enter_async_context(open_citizen(tmp_path / "ana", Config(), clock=hands))
        await ana.call("unlock", {"passphrase": PASSPHRASE})
        for name in ("ben", "eva"):
            assert before <= keys_of(ana), "one neighbour is not enough"
            guest = await stack.enter_async_context(open_citizen(tmp_path / name, Config(), clock=hands))
            await until(guest, lambda guest=guest: any(one.network.reached for one in guest.service.carrying))
        await until(ana, lambda: not before & keys_of(ana))
        assert ana.methods.status()["clock"] == {}


async def test_a_node_that_carried_all_the_while_vouches_for_the_clock_when_the_vault_is_opened(tmp_path) -> None:
    hands = Hands()
    async with open_citizen(tmp_path / "ana", Config(), clock=hands) as ana:
        await found(ana, "Ana")
        before = keys_of(ana)
        await ana.call("lock")
        for _ in range(400):
            hands.ahead += DAY
            assert await ana.service._shelf.watch.look(hands())
        await ana.call("unlock", {"passphrase": PASSPHRASE})
        await until(ana, lambda: not before & keys_of(ana))
        assert ana.methods.status()["clock"] == {}
