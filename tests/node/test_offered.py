"""What several peers offer to give at once is given once, and nobody can withhold anything by offering it."""

from __future__ import annotations

import pytest
import trio
from carriers import carrier, commons, frame, held
from sessions import keep, listing, opened, seed_of, stand, sync_once
from wire import meet

from tertulia.node import offered, sync
from tertulia.node.offered import LIMIT_OFFERED, OFFER_SECONDS, Offered
from tertulia.node.substrate import Stream
from tertulia.protocol import sync_messages as messages
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import FrameId
from tertulia.protocol.sync_messages import (
    LIMIT_FRAMES,
    LIMIT_MESSAGE,
    LIMIT_UNASKED,
    End,
    Ending,
    Kept,
    Offer,
    Open,
    Verdict,
    Want,
)

HERE = commons()
ONE, OTHER = FrameId(b"1" * 32), FrameId(b"2" * 32)


def test_a_frame_is_held_back_from_others_once_and_not_for_long() -> None:
    taken = Offered()
    assert taken.take([ONE, OTHER], 0.0) == (ONE, OTHER)
    assert taken.take([ONE, OTHER], OFFER_SECONDS - 1) == ()
    assert taken.take([ONE], OFFER_SECONDS) == (ONE,)
    assert taken.take([ONE], OFFER_SECONDS) == (ONE,), "never again"


def test_who_offered_and_went_holds_nothing_back() -> None:
    taken = Offered()
    taken.take([ONE, OTHER], 0.0)
    taken.came(OTHER)
    taken.lapse([ONE, OTHER], 1.0)
    assert taken.take([ONE, OTHER], 1.0) == (ONE, OTHER)
    assert taken.take([ONE, OTHER], 2.0) == (ONE,)


def test_offers_remembered_are_bounded(monkeypatch) -> None:
    assert LIMIT_OFFERED >= 64 * LIMIT_FRAMES
    monkeypatch.setattr(offered, "LIMIT_OFFERED", 1)
    taken = Offered()
    taken.take([ONE, OTHER], 0.0)
    assert taken.take([ONE, OTHER], 1.0) == (ONE,)


async def test_what_several_peers_give_at_once_comes_once(tmp_path) -> None:
    ours = [frame(HERE) for _ in range(10 * LIMIT_FRAMES)]
    async with (
        carrier(tmp_path / "a", HERE) as a,
        carrier(tmp_path / "b", HERE) as b,
        carrier(tmp_path / "c", HERE) as c,
        carrier(tmp_path / "behind", HERE) as behind,
    ):
        givers = (a, b, c)
        for one in givers:
            await keep(one, ours)
        travelled: list[bytes] = []

        async def give(one) -> None:
            travelled.extend((await sync_once(one, behind)).frames)

        async with trio.open_nursery() as nursery:
            for one in givers:
                nursery.start_soon(give, one)
        assert len(behind.holdings) == len(ours)
        assert len(travelled) == len(set(travelled)) == len(ours)
        assert behind.counts["held already"] == 0


async def test_what_somebody_offered_and_did_not_give_another_gives_in_the_next_session(tmp_path) -> None:
    ours = [frame(HERE) for _ in range(LIMIT_UNASKED + 1)]
    ids = tuple(each.id for each in ours)
    async with carrier(tmp_path / "a", HERE) as a, carrier(tmp_path / "behind", HERE) as behind:
        await keep(a, ours)
        asked, over = trio.Event(), trio.Event()

        async def promise(stream: Stream) -> None:
            for question in (Open(stand(), ()), Offer(ids)):
                await stream.send(messages.write(question))
                answer = messages.read(await stream.receive(LIMIT_MESSAGE, seconds=5))
            assert answer == Want(ids)
            asked.set()
            await over.wait()
            await stream.send(messages.write(End(Ending.DONE)))
            await stream.receive(LIMIT_MESSAGE, seconds=5)

        async def serve(stream: Stream) -> None:
            await sync.serve(stream, behind)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(meet, serve, promise, seed_of(behind))
            await asked.wait()
            assert (await sync_once(a, behind)).frames == [], "it is promised"
            over.set()
        assert len((await sync_once(a, behind)).frames) == len(ours)
        assert await held(behind) == set(ids)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(Want((ONE,)), RejectReason.ID), (Kept((Verdict.KEPT,)), RejectReason.SHAPE)],
    ids=["what was not offered", "no answer to an offer"],
)
async def test_who_answers_an_offer_falsely_is_left(tmp_path, answer, reason) -> None:
    over = trio.Event()

    async def lie(stream: Stream) -> None:
        for told in (opened(), listing(), answer):
            await stream.receive(LIMIT_MESSAGE, seconds=5)
            await stream.send(messages.write(told))
        await over.wait()

    async with carrier(tmp_path / "a", HERE) as a:
        await keep(a, [frame(HERE) for _ in range(LIMIT_UNASKED + 1)])

        async def run(stream: Stream) -> None:
            with pytest.raises(RemoteError) as wrong:
                await sync.bring_in_step(stream, a)
            assert wrong.value.reason is reason
            over.set()
            await stream.reset()

        await meet(lie, run)
