"""One commons on the network: hello before all else, gossip and sync between real hosts, peers that do neither."""

from __future__ import annotations

import os

import pytest
import trio
from carriers import Ear, carrier, commons, frame, held, host, network, now_minute
from waiting import eventually

from tertulia.node import neighbour as neighbours
from tertulia.node import sync_questions
from tertulia.node.clock import wall_clock
from tertulia.node.hello import open_hello
from tertulia.node.news import LIMIT_BRINGERS
from tertulia.node.substrate import Stream, StreamFailed
from tertulia.protocol.commons import HELLO_PROTOCOL, HelloOpen
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.sync_messages import SYNC_PROTOCOL

HERE, OTHER = commons(), commons("Other")
SEED = b"s" * 32


async def reached(net, ear: Ear, count: int) -> None:
    await ear.until(lambda: net.reached == count)


async def test_gossip_and_sync_both_ways(tmp_path) -> None:
    before = frame(HERE)
    async with network(tmp_path / "a", HERE, seed=SEED) as (a, ear_a):
        await a.carrier.keep([before], "other")
        async with network(tmp_path / "b", HERE, peers=a.addresses) as (b, ear_b):
            await reached(a, ear_a, 1)
            await reached(b, ear_b, 1)
            assert await held(b.carrier) == {before.id}
            mine, theirs = frame(HERE), frame(HERE)
            await a.carrier.publish([mine])
            await b.carrier.publish([theirs])
            # Kept means that the other machine said so.
            await ear_a.until(lambda: mine.id in {kept.frame for kept in ear_a.keeps})
            await ear_b.until(lambda: theirs.id in {kept.frame for kept in ear_b.keeps})
            assert await held(a.carrier) == await held(b.carrier) == {before.id, mine.id, theirs.id}
        await reached(a, ear_a, 0)


async def test_a_peer_in_the_middle_carries_between_two_that_never_meet(tmp_path) -> None:
    async with (
        network(tmp_path / "m", HERE, seed=SEED) as (middle, _),
        network(tmp_path / "a", HERE, peers=middle.addresses) as (a, ear_a),
        network(tmp_path / "b", HERE, peers=middle.addresses) as (b, ear_b),
    ):
        await reached(a, ear_a, 1)
        await reached(b, ear_b, 1)
        mine = frame(HERE)
        await a.carrier.publish([mine])
        await ear_b.until(lambda: ear_b.arrivals == 1)
        assert await held(b.carrier) == {mine.id}
        assert a.neighbours == b.neighbours  # the middle, and nobody else


async def test_dialling_goes_on_until_the_other_is_there(tmp_path) -> None:
    async with network(tmp_path / "a", HERE, seed=SEED) as (a, _):
        addresses = a.addresses
    port = int(addresses[0].split("/")[4])
    async with network(tmp_path / "b", HERE, peers=addresses) as (b, ear_b):
        await eventually(lambda: b.carrier.counts["dial failed"])
        async with network(tmp_path / "a", HERE, seed=SEED, listen=f"/ip4/127.0.0.1/tcp/{port}"):
            await reached(b, ear_b, 1)


async def test_another_commons_is_refused_and_nothing_is_told(tmp_path) -> None:
    async with network(tmp_path / "a", HERE, seed=SEED) as (a, _ear):
        await a.carrier.keep([frame(HERE)], "other")
        async with network(tmp_path / "b", OTHER, peers=a.addresses) as (b, _):
            await eventually(lambda: b.carrier.counts["hello hello"])
            assert b.reached == a.reached == 0
            assert await held(b.carrier) == set()


async def test_a_person_learns_that_another_community_answers(tmp_path) -> None:
    async with (
        network(tmp_path / "a", OTHER, seed=SEED) as (a, _),
        network(tmp_path / "b", HERE, peers=a.addresses) as (b, ear),
    ):
        await ear.until(lambda: b.problem is not None)
        assert "another community" in b.problem.error
        assert b.reached == 0


async def test_no_stream_but_hello_before_hello(tmp_path) -> None:
    async with network(tmp_path / "a", HERE, seed=SEED) as (a, _), host(listen=False) as stranger:
        peer = await stranger.dial(a.addresses)

        async def ask() -> None:
            stream = await stranger.open(peer, SYNC_PROTOCOL)
            await stream.send(b"\x83\x01\x00\x40")
            await stream.receive(1_000_000)

        with pytest.raises(StreamFailed):
            await ask()


async def test_a_peer_that_says_nothing_is_disconnected(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(neighbours, "GRACE_SECONDS", 0.1)
    async with network(tmp_path / "a", HERE, seed=SEED) as (a, _), host(listen=False) as silent:
        await silent.dial(a.addresses)
        with trio.fail_after(20):
            async for event in silent.events:
                if type(event).__name__ == "PeerDown":
                    break
        assert a.reached == 0


@pytest.mark.parametrize("message", [b"", b"\x01", b"x" * 1_000, HelloOpen(bytes(32)).encoded()[:-1]])
async def test_a_hello_that_is_none_is_counted(tmp_path, message) -> None:
    async with network(tmp_path / "a", HERE, seed=SEED) as (a, _), host(listen=False) as rude:
        peer = await rude.dial(a.addresses)
        stream = await rude.open(peer, HELLO_PROTOCOL)
        await stream.send(message)
        with pytest.raises(StreamFailed):
            await stream.receive(1_000)
        assert sum(count for name, count in a.carrier.counts.items() if name.startswith("hello")) == 1


async def test_a_member_that_lies_in_sync_is_left(tmp_path) -> None:
    async with network(tmp_path / "a", HERE, seed=SEED) as (a, _), host(listen=False) as liar:
        peer = await liar.dial(a.addresses)
        stream = await liar.open(peer, HELLO_PROTOCOL)
        await open_hello(stream, HERE, liar.peer_id, wall_clock)
        await stream.close()
        liar.admit(peer)
        stream = await liar.open(peer, SYNC_PROTOCOL)
        await stream.send(os.urandom(100))
        with pytest.raises(StreamFailed):
            await stream.receive(1_000)
        with trio.fail_after(20):
            async for event in liar.events:
                if type(event).__name__ == "PeerDown":
                    break
        assert sum(count for name, count in a.carrier.counts.items() if name.startswith("sync")) == 1


async def test_hello_binds_the_peers(tmp_path) -> None:
    """What a member answers to one peer proves nothing when another repeats it."""
    async with network(tmp_path / "a", HERE, seed=SEED) as (a, _), host(listen=False) as middle, host() as target:
        answers: list[bytes] = []
        peer = await middle.dial(a.addresses)

        async def replay(stream: Stream) -> None:
            # The stranger hands on what the initiator says to a real member, and the member's answer back.
            onward = await middle.open(peer, HELLO_PROTOCOL)
            await onward.send(await stream.receive(1_000))
            answers.append(await onward.receive(1_000))
            await stream.send(answers[0])
            await onward.reset()

        middle.serve(HELLO_PROTOCOL, replay, before_hello=True)
        target_peer = await middle.dial(target.addresses)
        assert target_peer == target.peer_id
        stream = await target.open(middle.peer_id, HELLO_PROTOCOL)
        with pytest.raises(RemoteError):
            await open_hello(stream, HERE, target.peer_id, wall_clock)
        assert answers


async def test_sessions_that_fail_again_and_again_end_the_neighbourhood(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(neighbours, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(neighbours, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(sync_questions, "ANSWER_SECONDS", 0.1)
    async with network(tmp_path / "a", HERE, seed=SEED) as (a, _), host(listen=False) as stalling:
        peer = await stalling.dial(a.addresses)
        over = trio.Event()

        async def stall(_stream: Stream) -> None:
            await over.wait()

        stalling.serve(SYNC_PROTOCOL, stall)
        stream = await stalling.open(peer, HELLO_PROTOCOL)
        await open_hello(stream, HERE, stalling.peer_id, wall_clock)
        await stream.close()
        stalling.admit(peer)
        with trio.fail_after(20):
            async for event in stalling.events:
                if type(event).__name__ == "PeerDown":
                    break
        over.set()
        assert a.carrier.counts["sync broken"] == neighbours.LIMIT_FAILURES
        assert a.reached == 0


async def test_what_a_session_brings_is_told_on_without_waiting_for_the_clock(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(neighbours, "PERIOD_SECONDS", 10_000.0)
    monkeypatch.setattr(neighbours, "NEWS_APART_SECONDS", 0.5)
    old = [frame(HERE, now_minute() - 24 * 60) for _ in range(100)]  # too old for gossip
    wanted = {one.id for one in old}
    async with (
        network(tmp_path / "m", HERE, seed=SEED) as (middle, ear_m),
        network(tmp_path / "a", HERE, peers=middle.addresses) as (a, ear_a),
        network(tmp_path / "b", HERE, peers=middle.addresses) as (b, ear_b),
    ):
        await reached(a, ear_a, 1)
        await reached(b, ear_b, 1)
        await reached(middle, ear_m, 2)
        async with network(tmp_path / "c", HERE, peers=middle.addresses) as (c, _):
            await c.carrier.keep_news(old, "stick")
            for one, ear in ((middle, ear_m), (a, ear_a), (b, ear_b)):
                await ear.until(lambda one=one: one.carrier.counts["kept"] == len(old))
                assert await held(one.carrier) == wanted
        # A and B have it of the middle alone: there is nothing that they would have to tell it.
        (peer,) = a.neighbours
        assert a.carrier.news.to(peer) == b.carrier.news.to(peer) == 0


async def test_who_is_far_behind_is_not_brought_everything_twice_by_one_peer(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(neighbours, "GRACE_SECONDS", 0.05)  # over long before the catch-up is
    old = [frame(HERE, now_minute() - number % 5_000) for number in range(3_000)]
    async with network(tmp_path / "a", HERE, seed=SEED) as (full, ear_f):
        for at in range(0, len(old), 250):
            await full.carrier.keep(old[at : at + 250], "other")
        async with network(tmp_path / "b", HERE, peers=full.addresses) as (behind, ear_b):
            await reached(behind, ear_b, 1)
            await reached(full, ear_f, 1)
            assert len(behind.carrier.holdings) == len(old)
            assert behind.carrier.counts["held already"] == 0


async def test_own_frames_and_what_a_peer_brought_are_no_news_to_it(tmp_path) -> None:
    async with carrier(tmp_path, HERE) as one:
        await one.publish([frame(HERE)])
        assert one.news.to("any") == 0
        brought = frame(HERE)
        informed = one.informed
        await one.keep([frame(HERE)], "feed")
        assert not informed.is_set()
        await one.keep_news([brought], "peer")
        assert informed.is_set()
        assert (one.news.to("peer"), one.news.to("other")) == (0, 1)
        await one.keep_news([brought], "other")  # held already
        assert (one.news.to("peer"), one.news.to("other")) == (0, 1)
        for number in range(LIMIT_BRINGERS + 1):
            one.news.came(str(number), 1)
        assert one.news.to("0") == one.news.to("nobody") == LIMIT_BRINGERS + 2
        assert one.news.to("1") == LIMIT_BRINGERS + 1
