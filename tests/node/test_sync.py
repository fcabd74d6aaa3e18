"""Catch-up between two archives: real hosts on loopback, real streams, and peers that lie, stall, flood or go."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from dataclasses import replace

import pytest
import trio
from carriers import Ear, carrier, commons, frame, held, now_minute
from sessions import keep, listing, opened, stand, sync_once
from wire import Watched, meet

from tertulia.node import sync, sync_questions, sync_server
from tertulia.node.clock import wall_clock
from tertulia.node.quota import Allowance, day_of
from tertulia.node.substrate import PeerId, Stream, StreamFailed
from tertulia.protocol import gone
from tertulia.protocol import sync_messages as messages
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.gone import GoneDay
from tertulia.protocol.ids import FrameId
from tertulia.protocol.negentropy import END, VERSION, Fingerprint, IdList
from tertulia.protocol.negentropy import write as write_ranges
from tertulia.protocol.sync_messages import (
    LIMIT_AHEAD,
    LIMIT_FRAMES,
    LIMIT_MESSAGE,
    AskGone,
    End,
    Ending,
    Frames,
    Give,
    Kept,
    Noted,
    Offer,
    Open,
    Opened,
    Reconcile,
    TellGone,
    Verdict,
    Want,
)

HERE = commons()
OTHER = commons("Other")
DAY = 24 * 60


def differing() -> Reconcile:
    return Reconcile(bytes([VERSION]) + write_ranges([Fingerprint(END, b"\7" * 16)], 0))


async def test_both_end_with_everything_and_only_the_difference_travels(tmp_path) -> None:
    both = [frame(HERE) for _ in range(40)]
    left = [frame(HERE, size=FrameClass.LARGE) for _ in range(70)]
    right = [frame(HERE) for _ in range(3)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE) as b:
        await keep(a, both + left)
        await keep(b, both + right)
        met = await sync_once(a, b)
        assert await held(a) == await held(b) == {one.id for one in both + left + right}
        assert sorted(met.frames) == sorted(one.raw for one in left + right)


@pytest.mark.parametrize("count", [0, 1, 500])
async def test_at_rest_a_session_is_four_short_messages(tmp_path, count) -> None:
    both = [frame(HERE) for _ in range(count)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE) as b:
        await keep(a, both)
        await keep(b, both)
        met = await sync_once(a, b)
        assert len(met.sent) == 4
        assert sum(map(len, met.sent)) <= 100


async def test_thousands_either_way(tmp_path) -> None:
    minute = now_minute()
    ours = [frame(HERE, minute - index % 50) for index in range(1_150)]
    theirs = [frame(HERE, minute - index % 50) for index in range(2_000)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE) as b:
        await keep(a, ours)
        await keep(b, theirs)
        assert len((await sync_once(a, b)).frames) == len(ours) + len(theirs)
        for one in (a, b):
            usage = await one.shelf.run(lambda archive: archive.usage(HERE.id))
            assert usage.frames == len(one.holdings) == len(ours) + len(theirs)


async def test_what_is_held_is_known_again_after_a_restart(tmp_path) -> None:
    both = [frame(HERE) for _ in range(300)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE) as b:
        await keep(a, both)
        await keep(b, both)
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE) as b:
        assert len((await sync_once(a, b)).sent) == 4
        assert len(a.holdings) == 300


# Delivery truth -----------------------------------------------------------------------------------------------------


async def test_own_frames_are_known_to_be_with_the_peer(tmp_path) -> None:
    ear = Ear()
    there, given = frame(HERE), frame(HERE)
    async with carrier(tmp_path / "a", HERE, ear) as a, carrier(tmp_path / "b", HERE) as b:
        await a.publish([there])
        await keep(b, [there])
        await sync_once(a, b)
        assert [kept.frame for kept in ear.keeps] == [there.id], "without a word about it: all is the same"
        await a.publish([given])
        await sync_once(a, b)
        assert [kept.frame for kept in ear.keeps] == [there.id, given.id]
        assert await held(b) == {there.id, given.id}


async def test_nothing_counts_as_with_a_peer_that_did_not_keep_it(tmp_path) -> None:
    ear = Ear()
    mine = [frame(HERE) for _ in range(5)]
    async with carrier(tmp_path / "a", HERE, ear) as a, carrier(tmp_path / "b", HERE, daily=Allowance(frames=2)) as b:
        await a.publish(mine)
        for _ in range(2):
            await sync_once(a, b)
            assert {kept.frame for kept in ear.keeps} == await held(b)
            assert len(ear.keeps) == 2


async def test_nothing_counts_when_the_session_did_not_come_to_its_end(tmp_path) -> None:
    ear = Ear()
    async with carrier(tmp_path / "a", HERE, ear) as a:
        await a.publish([frame(HERE)])

        async def serve(stream: Stream) -> None:
            await stream.receive(LIMIT_MESSAGE)
            view = a.holdings.view("x", sync.agree(a.stand, a.stand))
            await stream.send(messages.write(opened(fingerprint=view.fingerprint(0, len(view)))))
            await stream.receive(LIMIT_MESSAGE)
            await stream.reset()

        async def run(stream: Stream) -> None:
            with pytest.raises(StreamFailed):
                await sync.bring_in_step(stream, a)

        await meet(serve, run)
        assert ear.keeps == []


# Floors, windows, quotas --------------------------------------------------------------------------------------------


async def test_frames_that_are_too_old_or_ahead_are_neither_fetched_nor_kept(tmp_path) -> None:
    minute = now_minute()
    old, ahead = frame(HERE, minute - 31 * DAY), frame(HERE, minute + 200)
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE) as b:
        await keep(b, [old, ahead])
        assert len((await sync_once(a, b)).sent) == 4
        assert await held(a) == set()

        async def push(stream: Stream) -> None:
            assert isinstance(await ask(stream, Open(stand(), ())), Opened)
            answer = await ask(stream, Give((old.raw, frame(HERE).raw, ahead.raw)))
            assert answer == Kept((Verdict.REFUSED, Verdict.KEPT, Verdict.REFUSED))

        async def serve(stream: Stream) -> None:
            with pytest.raises(StreamFailed):
                await sync.serve(stream, a)

        await meet(serve, push)
        assert len(await held(a)) == 1


async def test_archives_of_different_retention_come_to_rest(tmp_path) -> None:
    short = replace(HERE, retention_days=3)
    old, new = [frame(HERE, now_minute() - 5 * DAY) for _ in range(20)], [frame(HERE) for _ in range(20)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", short) as b:
        await keep(a, old + new)
        for one, other in ((a, b), (b, a)):
            met = await sync_once(one, other)
        assert await held(b) == {one.id for one in new}
        assert len(met.sent) == 4
        await keep(b, old)
        await b.evict()
        assert await held(b) == {one.id for one in new}
        assert len(b.holdings) == 20
        for one, other in ((a, b), (b, a)):
            assert len((await sync_once(one, other)).sent) == 4


async def test_archives_of_different_quota_come_to_rest(tmp_path) -> None:
    ours = [frame(HERE) for _ in range(60)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE, daily=Allowance(frames=25)) as b:
        await keep(a, ours)
        assert len((await sync_once(a, b)).frames) == 60
        assert len(await held(b)) == len(b.holdings) == 25
        assert b.counts["quota gone"] == 35
        for one, other in ((a, b), (b, a), (a, b), (b, a)):
            met = await sync_once(one, other)
            assert met.frames == []
        assert len(met.sent) == 4, "and what is gone has been told by now"


async def test_bytes_count_too_and_every_neighbour_has_a_quota_of_its_own(tmp_path) -> None:
    size = FrameClass.LARGE.size
    ours = [frame(HERE, size=FrameClass.LARGE) for _ in range(8)]
    async with (
        carrier(tmp_path / "a", HERE) as a,
        carrier(tmp_path / "b", HERE, daily=Allowance(size=4 * size + 1)) as b,
        carrier(tmp_path / "c", HERE) as c,
    ):
        await keep(a, ours)
        await keep(c, ours)
        await sync_once(a, b)
        assert len(await held(b)) == 4
        assert (await sync_once(b, a)).frames == [], "what one neighbour made gone is not asked of it again today"
        assert len((await sync_once(b, c)).frames) == 4, "but of another"
        assert await held(b) == {one.id for one in ours}
        for one, other in ((b, a), (a, b), (c, b), (b, c)):
            met = await sync_once(one, other)
        assert len(met.sent) == 4


async def test_a_flood_of_today_leaves_what_came_yesterday_and_tomorrow_it_may_come_again(tmp_path) -> None:
    now = [wall_clock()]
    yesterday, flood = [frame(HERE) for _ in range(10)], [frame(HERE) for _ in range(30)]
    async with carrier(tmp_path, HERE, daily=Allowance(frames=10), clock=lambda: now[0]) as one:
        assert await one.keep(yesterday, "flood")
        now[0] += DAY * 60_000
        taken = await one.keep(flood, "flood")
        assert taken.verdicts.count(Verdict.KEPT) == 10
        assert taken.verdicts.count(Verdict.GONE) == 20
        assert {each.id for each in yesterday} < await held(one)
        taken = await one.keep(yesterday + flood[:10], "flood")
        assert set(taken.verdicts) == {Verdict.KEPT}, "what is held costs nothing"
        now[0] += DAY * 60_000
        assert set((await one.keep(flood[10:20], "flood")).verdicts) == {Verdict.KEPT}


async def test_who_makes_too_much_gone_is_told_that_it_is_enough(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(gone, "LIMIT_GONE_NEIGHBOUR", 5)
    peer = PeerId("flood")
    ours = [frame(HERE) for _ in range(30)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE, daily=Allowance(frames=10)) as b:
        await keep(a, ours)
        met = await sync_once(a, b, Ending.QUOTA)
        assert messages.read(met.sent[-1]) == End(Ending.QUOTA)
        assert len(await held(b)) == 10
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "c", HERE, daily=Allowance(frames=10)) as c:
        met = await sync_once(c, a, Ending.QUOTA)
        assert messages.read(met.sent[-2]) == End(Ending.QUOTA)
        assert len(await held(c)) == 10
        assert len(met.frames) == 30
        await c.keep(ours, peer)
        assert c.holdings.is_full(peer, wall_clock())
        assert not c.holdings.is_full(peer, wall_clock() + DAY * 60_000)
        assert day_of(wall_clock()) == wall_clock() // 86_400_000


@pytest.mark.parametrize("size", [FrameClass.SMALL, FrameClass.LARGE])
async def test_who_says_that_it_is_enough_is_heard_with_much_on_its_way(tmp_path, monkeypatch, size) -> None:
    monkeypatch.setattr(gone, "LIMIT_GONE_NEIGHBOUR", 5)
    ours = [frame(HERE, size=size) for _ in range(6 * LIMIT_FRAMES)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE, daily=Allowance(frames=10)) as b:
        await keep(a, ours)
        with trio.fail_after(20):
            await sync_once(a, b, Ending.QUOTA)
        assert len(await held(b)) == 10
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "c", HERE, daily=Allowance(frames=10)) as c:
        with trio.fail_after(20):
            met = await sync_once(c, a, Ending.QUOTA)
        assert messages.read(met.sent[-1]) == End(Ending.DONE), "after all that was asked for"
        assert len(met.frames) <= (LIMIT_AHEAD + 1) * LIMIT_FRAMES
        assert len(await held(c)) == 10
        assert c.holdings.wanted == set()


async def test_own_frames_over_the_quota_are_not_told_of_and_published_on_another_day(tmp_path) -> None:
    now = [wall_clock()]
    ear = Ear()
    mine = [frame(HERE) for _ in range(3)]
    async with carrier(tmp_path, HERE, ear, daily=Allowance(frames=2), clock=lambda: now[0]) as one:
        await one.publish(mine)
        assert await held(one) == {each.id for each in mine[:2]}
        await one.publish_again()
        assert len(one.own.owed(PeerId("x"))) == 2
        now[0] += DAY * 60_000
        await one.publish_again()
        assert len(one.own.owed(PeerId("x"))) == 3
        assert await held(one) == {each.id for each in mine}


# Several at once, and cut off ---------------------------------------------------------------------------------------


async def test_what_was_fetched_before_the_end_is_not_fetched_again(tmp_path) -> None:
    theirs = [frame(HERE) for _ in range(5 * LIMIT_FRAMES)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE) as b:
        await keep(b, theirs)
        watched: list[Watched] = []

        async def cut(stream: Stream) -> None:
            watched.append(Watched(stream, 2 * LIMIT_FRAMES))
            with pytest.raises(StreamFailed):
                await sync.bring_in_step(watched[0], a)  # type: ignore[arg-type]

        async def serve(stream: Stream) -> None:
            with pytest.raises(StreamFailed):
                await sync.serve(stream, b)

        await meet(serve, cut)
        assert len(await held(a)) == 2 * LIMIT_FRAMES
        assert a.holdings.wanted == set()
        met = await sync_once(a, b)
        assert len(met.frames) == 3 * LIMIT_FRAMES
        assert await held(a) == {one.id for one in theirs}


async def test_a_few_batches_are_asked_for_ahead_and_no_more(tmp_path) -> None:
    theirs = {each.id: each.raw for each in (frame(HERE) for _ in range(7 * LIMIT_FRAMES))}
    unanswered: list[Want] = []
    most = 0

    async def slow(stream: Stream) -> None:
        """Answers a want only when no further question comes."""
        nonlocal most
        for answer in (opened(), listing(*theirs)):
            await stream.receive(LIMIT_MESSAGE)
            await stream.send(messages.write(answer))
        question: messages.Message = Want(())
        while not isinstance(question, End):
            with trio.move_on_after(0.5):
                question = messages.read(await stream.receive(LIMIT_MESSAGE))
                if isinstance(question, Want):
                    unanswered.append(question)
                most = max(most, len(unanswered))
                continue
            ids = unanswered.pop(0).ids
            await stream.send(messages.write(Frames(tuple(theirs[one] for one in ids))))
        await stream.send(messages.write(End(Ending.DONE)))

    async with carrier(tmp_path / "a", HERE) as a:

        async def run(stream: Stream) -> None:
            assert await sync.bring_in_step(stream, a) is Ending.DONE

        await meet(slow, run)
        assert most == LIMIT_AHEAD
        assert len(a.holdings) == len(theirs)


async def test_of_two_peers_nothing_is_fetched_twice(tmp_path) -> None:
    theirs = [frame(HERE) for _ in range(20 * LIMIT_FRAMES)]
    async with (
        carrier(tmp_path / "a", HERE) as a,
        carrier(tmp_path / "b", HERE) as b,
        carrier(tmp_path / "c", HERE) as c,
    ):
        await keep(b, theirs)
        await keep(c, theirs)
        met: list[Watched] = []

        async def one(other) -> None:
            met.append(await sync_once(a, other))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, b)
            nursery.start_soon(one, c)
        travelled = [raw for each in met for raw in each.frames]
        assert len(travelled) == len(set(travelled)) == len(theirs)
        assert all(each.frames for each in met), "and both brought something"
        assert len(a.holdings) == len(theirs)


async def test_what_a_stalling_peer_was_asked_for_is_asked_of_another_once_it_is_left(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sync_questions, "ANSWER_SECONDS", 1.0)
    theirs = [frame(HERE) for _ in range(10)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE) as b:
        await keep(b, theirs)
        asked, over = trio.Event(), trio.Event()

        async def stall(stream: Stream) -> None:
            for answer in (opened(), listing(*(each.id for each in theirs))):
                await stream.receive(LIMIT_MESSAGE)
                await stream.send(messages.write(answer))
            await stream.receive(LIMIT_MESSAGE)
            asked.set()
            await over.wait()

        async def stalled(stream: Stream) -> None:
            with pytest.raises(StreamFailed):
                await sync.bring_in_step(stream, a)
            over.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(meet, stall, stalled)
            await asked.wait()
            assert (await sync_once(a, b)).frames == [], "it is on its way"
        assert len((await sync_once(a, b)).frames) == 10


async def test_frames_that_are_listed_but_do_not_come_are_a_difference_of_the_next_session(tmp_path) -> None:
    real = frame(HERE)

    async def partly(stream: Stream) -> None:
        for answer in (opened(), listing(real.id, b"\1" * 32), Frames((real.raw,)), End(Ending.DONE)):
            await stream.receive(LIMIT_MESSAGE)
            await stream.send(messages.write(answer))

    async with carrier(tmp_path / "a", HERE) as a:

        async def run(stream: Stream) -> None:
            assert await sync.bring_in_step(stream, a) is Ending.DONE

        await meet(partly, run)
        assert await held(a) == {real.id}
        assert a.holdings.wanted == set()


# Peers that lie -----------------------------------------------------------------------------------------------------


MISSING = listing(b"\1" * 32)
GONE_DAY = GoneDay(20_000, 1, bytes(16))
LIES = {
    "another answer than asked for": [Kept((Verdict.KEPT,))],
    "a question": [Open(stand(), ())],
    "an end that is none": [End(Ending.DONE)],
    "no reconciliation": [opened(), Noted(b"")],
    "an unknown version": [opened(), Reconcile(b"\x62")],
    "a reconciliation that is cut short": [opened(), Reconcile(differing().message[:-1])],
    "an unknown mode": [opened(), Reconcile(b"\x61\x00\x00\x07")],
    "frames that were not asked for": [opened(), MISSING, Frames((frame(HERE).raw,))],
    "frames of another commons": [opened(), MISSING, Frames((frame(OTHER).raw,))],
    "frames of no length": [opened(), MISSING, Frames((b"short",))],
    "something else than frames": [opened(), MISSING, Kept(())],
    "gone frames of another day": [opened(gone=(GONE_DAY,)), TellGone(20_001, ())],
    "other gone frames than said": [opened(gone=(GONE_DAY,)), TellGone(20_000, ((20_000 * DAY, FrameId(bytes(32))),))],
    "gone frames that are none": [opened(gone=(GONE_DAY,)), Frames(())],
    "no end": [opened(), listing(), Kept((Verdict.KEPT,)), Noted(b"")],
    "a verdict too many": [opened(), listing(), Kept((Verdict.KEPT,) * 2)],
    "a question about gone frames, then nonsense": [opened(asked=(20_000,), fingerprint=b""), Frames(())],
}


@pytest.mark.parametrize("answers", LIES.values(), ids=LIES)
async def test_a_lying_peer_is_rejected_and_nothing_is_kept(tmp_path, answers) -> None:
    ear = Ear()
    mine = frame(HERE)

    async def lie(stream: Stream) -> None:
        try:
            for answer in answers:
                await stream.receive(LIMIT_MESSAGE)
                await stream.send(messages.write(answer))
            await stream.receive(LIMIT_MESSAGE)
        except StreamFailed:
            pass

    async with carrier(tmp_path / "a", HERE, ear) as a:
        await keep(a, [mine])

        async def run(stream: Stream) -> None:
            with pytest.raises(RemoteError):
                await sync.bring_in_step(stream, a)
            await stream.reset()

        await meet(lie, run)
        assert await held(a) == {mine.id}
        assert a.holdings.wanted == set()
        assert ear.keeps == []


async def test_reconciliation_without_end_is_ended(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sync, "LIMIT_ROUNDS", 3)
    heard: list[messages.Message] = []

    async def endless(stream: Stream) -> None:
        answer: messages.Message = opened()
        while not heard or not isinstance(heard[-1], End):
            heard.append(messages.read(await stream.receive(LIMIT_MESSAGE)))
            await stream.send(messages.write(answer if not isinstance(heard[-1], End) else End(Ending.DONE)))
            answer = differing()

    async with carrier(tmp_path / "a", HERE) as a:

        async def run(stream: Stream) -> None:
            assert await sync.bring_in_step(stream, a) is Ending.BOUND

        await meet(endless, run)
    assert [type(each) for each in heard] == [Open, Reconcile, Reconcile, Reconcile, End]
    assert heard[-1] == End(Ending.BOUND)


async def test_who_says_again_and_again_that_it_lacks_everything_is_given_it_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sync, "LIMIT_ROUNDS", 20)
    mine = [frame(HERE) for _ in range(3)]
    given = 0

    async def forgetful(stream: Stream) -> None:
        nonlocal given
        both = Reconcile(bytes([VERSION]) + write_ranges([IdList(END, b""), Fingerprint(END, b"\7" * 16)], 0))
        while True:
            question = messages.read(await stream.receive(LIMIT_MESSAGE))
            answer: messages.Message = both
            match question:
                case Open():
                    answer = opened()
                case Give(raws):
                    given += len(raws)
                    answer = Kept((Verdict.REFUSED,) * len(raws))
                case End():
                    answer = End(Ending.DONE)
            await stream.send(messages.write(answer))
            if isinstance(question, End):
                return

    async with carrier(tmp_path / "a", HERE) as a:
        await keep(a, mine)

        async def run(stream: Stream) -> None:
            assert await sync.bring_in_step(stream, a) is Ending.BOUND

        await meet(forgetful, run)
    assert given == len(mine)


async def test_a_stalling_peer_is_left(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sync_questions, "ANSWER_SECONDS", 0.1)
    over = trio.Event()

    async def stall(_stream: Stream) -> None:
        await over.wait()

    async with carrier(tmp_path / "a", HERE) as a:

        async def run(stream: Stream) -> None:
            with pytest.raises(StreamFailed):
                await sync.bring_in_step(stream, a)
            over.set()

        await meet(stall, run)


async def test_a_session_that_takes_too_long_ends_and_the_next_goes_on(tmp_path, monkeypatch) -> None:
    theirs = [frame(HERE) for _ in range(10)]
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "b", HERE) as b:
        await keep(b, theirs)
        with monkeypatch.context() as patched:
            patched.setattr(sync_questions, "SESSION_SECONDS", -1.0)
            await sync_once(a, b, Ending.BOUND)
        with monkeypatch.context() as patched:
            patched.setattr(sync_server, "SERVED_SECONDS", -1.0)
            await sync_once(a, b, Ending.BOUND)
        assert len((await sync_once(a, b)).frames) == 10


@contextmanager
def full_disk():
    """No file of this process may grow: what a full disk is to it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_here_or_there_costs_the_session_and_nothing_is_said_to_be_kept(tmp_path) -> None:
    ear = Ear()
    mine = [frame(HERE, size=FrameClass.LARGE) for _ in range(20)]
    async with carrier(tmp_path / "a", HERE, ear) as a, carrier(tmp_path / "b", HERE) as b:
        await a.publish(mine)

        async def run(stream: Stream) -> None:
            with full_disk():
                assert await sync.bring_in_step(stream, a) is Ending.DONE

        async def serve(stream: Stream) -> None:
            await sync.serve(stream, b)

        await meet(serve, run)
        assert ear.keeps == []
        assert await held(b) == set()

        async def fetch(stream: Stream) -> None:
            with full_disk(), pytest.raises(sync.NotKept):
                await sync.bring_in_step(stream, b)
            await stream.reset()

        async def other(stream: Stream) -> None:
            with pytest.raises(StreamFailed):
                await sync.serve(stream, a)

        await meet(other, fetch)
        await sync_once(a, b)
        assert len(ear.keeps) == 20


# Peers that ask badly -----------------------------------------------------------------------------------------------


async def ask(stream: Stream, message: messages.Message) -> messages.Message:
    await stream.send(messages.write(message))
    return messages.read(await stream.receive(LIMIT_MESSAGE))


BIG = frame(HERE, now_minute())
OPEN = messages.write(Open(stand(), ()))
BACK = bytes.fromhex("61 0501ff00 01010100".replace(" ", ""))  # the second bound has the first's minute, and a lower id
GARBAGE = {
    "nothing": [b""],
    "no list": [b"\x01"],
    "an unknown type": [bytes.fromhex("81182a")],
    "an answer": [messages.write(opened())],
    "a question before the session is open": [messages.write(Want(()))],
    "an offer before the session is open": [messages.write(Offer(()))],
    "too many offered": [OPEN, messages.write(Offer(tuple(FrameId(bytes([n]) * 32) for n in range(65))))],
    "frames before the session is open": [messages.write(Give((BIG.raw,)))],
    "reconciliation before the session is open": [messages.write(differing())],
    "opening it twice": [OPEN, OPEN],
    "gone frames that nobody asked for": [OPEN, messages.write(TellGone(20_000, ()))],
    "gone frames asked for too late": [OPEN, messages.write(Want(())), messages.write(AskGone(1))],
    "other gone frames than said": [
        messages.write(Open(stand(), (GONE_DAY,))),
        messages.write(TellGone(20_000, ((20_000 * DAY, FrameId(bytes(32))),))),
    ],
    "reconciliation before gone frames are told": [
        messages.write(Open(stand(), (GONE_DAY,))),
        messages.write(differing()),
    ],
    "a reconciliation of nothing": [OPEN, messages.write(Reconcile(b""))],
    "a reconciliation cut short": [OPEN, messages.write(Reconcile(differing().message[:-1]))],
    "bounds that go back": [OPEN, messages.write(Reconcile(BACK))],
    "too many ids": [OPEN, messages.write(Want(tuple(FrameId(bytes([n]) * 32) for n in range(65))))],
    "half an id": [OPEN, bytes.fromhex("82074101")],
    "a false frame": [OPEN, messages.write(Give((frame(OTHER).raw,)))],
    "a frame with a flipped bit": [OPEN, messages.write(Give((BIG.raw[:-1] + bytes([BIG.raw[-1] ^ 1]),)))],
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_a_server_rejects_garbage_and_keeps_nothing(tmp_path, garbage) -> None:
    async with carrier(tmp_path / "a", HERE) as a:
        rejected: list[RemoteError] = []

        async def serve(stream: Stream) -> None:
            try:
                await sync.serve(stream, a)
            except RemoteError as wrong:
                rejected.append(wrong)
                await stream.reset()

        async def send(stream: Stream) -> None:
            for data in garbage[:-1]:
                await stream.send(data)
                await stream.receive(LIMIT_MESSAGE)
            await stream.send(garbage[-1])
            with pytest.raises(StreamFailed):
                await stream.receive(LIMIT_MESSAGE)

        await meet(serve, send)
        assert len(rejected) == 1
        assert await held(a) == set()


@pytest.mark.parametrize("name", ["LIMIT_REQUESTS", "LIMIT_ROUNDS"])
async def test_who_asks_without_end_is_told_that_it_is_enough(tmp_path, monkeypatch, name) -> None:
    monkeypatch.setattr(sync_server, name, 3)
    async with carrier(tmp_path / "a", HERE) as a:

        async def serve(stream: Stream) -> None:
            assert await sync.serve(stream, a) is Ending.BOUND

        async def run(stream: Stream) -> None:
            answers = [await ask(stream, Open(stand(), ()))]
            while not isinstance(answers[-1], End):
                answers.append(await ask(stream, differing()))
            assert answers[-1] == End(Ending.BOUND)
            assert len(answers) == (4 if name == "LIMIT_REQUESTS" else 5)

        await meet(serve, run)


async def test_a_clock_years_off_costs_nothing_and_is_noted(tmp_path) -> None:
    async with (
        carrier(tmp_path / "a", HERE) as a,
        carrier(tmp_path / "b", HERE, clock=lambda: wall_clock() + 3 * 365 * DAY * 60_000) as b,
    ):
        await keep(a, [frame(HERE)])
        assert len((await sync_once(a, b)).sent) == 4
        assert a.counts["clocks differ"] == 1
        (minutes,) = a.apart.values()
        assert abs(minutes - 3 * 365 * DAY) <= 1
        assert await held(b) == set()


async def test_an_absurd_announcement_of_gone_frames_is_refused(tmp_path) -> None:
    days = tuple(GoneDay(day, gone.LIMIT_GONE_DAY, bytes(16)) for day in range(3))

    async def lie(stream: Stream) -> None:
        await stream.receive(LIMIT_MESSAGE)
        await stream.send(messages.write(opened(gone=days)))
        with pytest.raises(StreamFailed):
            await stream.receive(LIMIT_MESSAGE)

    async with carrier(tmp_path / "a", HERE) as a:

        async def run(stream: Stream) -> None:
            with pytest.raises(RemoteError) as wrong:
                await sync.bring_in_step(stream, a)
            assert wrong.value.reason is RejectReason.LIMIT
            await stream.reset()

        await meet(lie, run)
