"""What a carrier lets through, keeps and tells: judged by the commons' MAC, on the disk before it is told."""

from __future__ import annotations

import resource
from contextlib import contextmanager

import pytest
from carriers import Ear, carrier, commons, frame, held, now_minute

from tertulia.node.substrate import PeerId, Verdict
from tertulia.protocol.frame import FrameClass

HERE = commons()
PEER = PeerId("12D3KooWPeer")
GOOD = frame(HERE)


@contextmanager
def full_disk():
    """No file of this process may grow: what a full disk is to it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("data", "verdict", "reason"),
    [
        (b"", Verdict.REJECT, "length"),
        (GOOD.raw[:-1], Verdict.REJECT, "length"),
        (GOOD.raw + b"\0", Verdict.REJECT, "length"),
        (b"\2" + GOOD.raw[1:], Verdict.REJECT, "version"),
        (GOOD.raw[:1] + b"\2" + GOOD.raw[2:], Verdict.REJECT, "class"),
        (GOOD.raw[:-1] + bytes([GOOD.raw[-1] ^ 1]), Verdict.REJECT, "mac"),
        (GOOD.raw[:100] + b"x" + GOOD.raw[101:], Verdict.REJECT, "mac"),
        (frame(commons("Other")).raw, Verdict.REJECT, "mac"),
        (frame(HERE, now_minute() - 130).raw, Verdict.IGNORE, "window"),
        (frame(HERE, now_minute() + 100).raw, Verdict.IGNORE, "window"),
    ],
)
async def test_what_gossip_may_not_bring(tmp_path, data, verdict, reason) -> None:
    async with carrier(tmp_path, HERE) as one:
        assert one.validate(data, PEER) is verdict
        assert one.counts == {reason: 1}


async def test_a_good_frame_passes_once(tmp_path) -> None:
    async with carrier(tmp_path, HERE) as one:
        assert one.validate(GOOD.raw, PEER) is Verdict.ACCEPT
        assert one.validate(GOOD.raw, PEER) is Verdict.IGNORE
        assert one.counts == {"seen": 1}


async def test_the_echo_of_an_own_frame_is_no_news(tmp_path) -> None:
    async with carrier(tmp_path, HERE) as one:
        await one.publish([GOOD])
        assert one.validate(GOOD.raw, PEER) is Verdict.IGNORE


async def test_what_is_seen_is_bounded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tertulia.node.carrier.LIMIT_SEEN", 2)
    first, second, third = (frame(HERE) for _ in range(3))
    async with carrier(tmp_path, HERE) as one:
        for each in (first, second, third):
            assert one.validate(each.raw, PEER) is Verdict.ACCEPT
        assert one.validate(third.raw, PEER) is Verdict.IGNORE
        assert one.validate(first.raw, PEER) is Verdict.ACCEPT


async def test_frames_are_told_of_once_and_after_they_are_kept(tmp_path) -> None:
    ear = Ear()
    async with carrier(tmp_path, HERE, ear) as one:
        assert await one.keep([GOOD], PEER)
        assert ear.arrivals == 1
        assert await one.keep([GOOD], PEER)
        assert ear.arrivals == 1
        assert await held(one) == {GOOD.id}


async def test_a_full_disk_costs_the_frames_of_that_moment(tmp_path) -> None:
    ear = Ear()
    batch = [frame(HERE, size=FrameClass.LARGE) for _ in range(20)]
    async with carrier(tmp_path, HERE, ear) as one:
        assert one.validate(batch[0].raw, PEER) is Verdict.ACCEPT
        with full_disk():
            assert not await one.keep(batch, PEER)
            assert one.trouble is not None
            assert "no room" in one.trouble.error
        assert ear.arrivals == 0
        # It was never kept, so it may come again, by gossip too.
        assert one.validate(batch[0].raw, PEER) is Verdict.ACCEPT
        assert await one.keep(batch, PEER)
        assert one.trouble is None
        assert len(await held(one)) == 20


async def test_own_frames_refused_by_the_disk_are_published_later(tmp_path) -> None:
    async with carrier(tmp_path, HERE) as one:
        with full_disk():
            await one.publish([GOOD])
            await one.publish_again()
        assert one.own.owed(PEER) == ()
        await one.publish_again()
        assert one.own.owed(PEER) == (GOOD.id,)
        assert await held(one) == {GOOD.id}


async def test_old_frames_are_dropped(tmp_path) -> None:
    old, new = frame(HERE, now_minute() - 31 * 24 * 60), GOOD
    async with carrier(tmp_path, HERE) as one:
        await one.keep([old, new], PEER)
        await one.evict()
        assert await held(one) == {new.id}
        assert one.counts["evicted"] == 1


async def test_a_peer_counts_once_for_a_frame(tmp_path) -> None:
    ear = Ear()
    async with carrier(tmp_path, HERE, ear) as one:
        await one.publish([GOOD])
        assert one.own.owed(PEER) == (GOOD.id,)
        await one.held(PEER, [GOOD.id, GOOD.id, frame(HERE).id])
        await one.held(PEER, [GOOD.id])
        assert [kept.frame for kept in ear.keeps] == [GOOD.id]
        assert one.own.owed(PEER) == ()
        assert one.own.unheard(PEER) == ()
        assert one.own.owed(PeerId("another")) == (GOOD.id,)


async def test_what_a_peer_did_not_take_is_not_urgent_but_may_still_be_told_of(tmp_path) -> None:
    ear = Ear()
    async with carrier(tmp_path, HERE, ear) as one:
        await one.publish([GOOD])
        one.own.settle(PEER, one.own.owed(PEER))
        assert one.own.owed(PEER) == ()
        assert one.own.unheard(PEER) == ((GOOD.minute, GOOD.id),)
        await one.held(PEER, [GOOD.id])
        assert [kept.frame for kept in ear.keeps] == [GOOD.id]
        assert one.own.unheard(PEER) == ()
        for number in range(200):
            one.own.settle(PeerId(f"peer {number}"), [GOOD.id])
            assert one.own.owed(PeerId(f"peer {number}")) == ()


async def test_places_are_in_step_with_the_disk_after_coming_going_and_a_restart(tmp_path) -> None:
    old, new = [frame(HERE, now_minute() - 31 * 24 * 60) for _ in range(3)], [frame(HERE) for _ in range(400)]
    async with carrier(tmp_path, HERE) as one:
        await one.keep(old + new + new, PEER)
        assert len(one.holdings) == 403
        with full_disk():
            await one.keep([frame(HERE, size=FrameClass.LARGE) for _ in range(20)], PEER)
        assert len(one.holdings) == 403
        await one.evict()
        assert len(one.holdings) == 400
        assert all((each.minute, each.id) in one.holdings for each in new)
    async with carrier(tmp_path, HERE) as one:
        await one.holdings.ready()
        assert len(one.holdings) == 400
