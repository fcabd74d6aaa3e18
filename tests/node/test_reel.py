"""Frames on their way from the archive to the core: in order, none skipped, across eviction and failed batches."""

from __future__ import annotations

from carriers import commons, frame, now_minute, shelf

from tertulia.node.reel import LIMIT_PAGE, Reel, joined, rescan_reel, take_rows
from tertulia.node.shelf import START, Mark
from tertulia.protocol.effects import Put, Rescan

HERE, OTHER = commons(), commons("Other")


async def all_of(reel: Reel, where) -> list[bytes]:
    found = []
    while not reel.done:
        if reel.hungry:
            await reel.fill(where)
        found += [arrived.frame.id for arrived in reel.frames()]
    return found


async def test_in_the_order_of_arrival_and_only_this_commons(tmp_path) -> None:
    where = shelf(tmp_path, HERE, OTHER)
    minute = now_minute()
    late, early = frame(HERE, minute), frame(HERE, minute - 60)
    await where.add(HERE.id, [late], 1)
    await where.add(OTHER.id, [frame(OTHER)], 2)
    await where.add(HERE.id, [early], 3)
    assert await all_of(Reel(HERE.id), where) == [late.id, early.id]
    await where.close()


async def test_pages_and_what_comes_meanwhile(tmp_path) -> None:
    where = shelf(tmp_path, HERE)
    batch = [frame(HERE) for _ in range(2 * LIMIT_PAGE)]
    await where.add(HERE.id, batch, 1)
    reel = Reel(HERE.id)
    assert await all_of(reel, where) == [one.id for one in batch]
    last = frame(HERE)
    await where.add(HERE.id, [last], 2)
    assert reel.done
    reel.more = True
    assert await all_of(reel, where) == [last.id]
    await where.close()


async def test_a_dropped_batch_is_handed_out_again(tmp_path) -> None:
    where = shelf(tmp_path, HERE)
    batch = [frame(HERE) for _ in range(3)]
    await where.add(HERE.id, batch, 1)
    reel = Reel(HERE.id)
    await reel.fill(where)
    given = reel.frames()
    assert next(given).frame.id == batch[0].id
    reel.settle()
    assert next(given).frame.id == batch[1].id
    reel.rewind()
    assert await all_of(reel, where) == [batch[1].id, batch[2].id]
    await where.close()


async def test_the_cursor_is_saved_with_other_rows_or_after_many(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tertulia.node.reel.LIMIT_UNSAVED", 3)
    where = shelf(tmp_path, HERE)
    await where.add(HERE.id, [frame(HERE) for _ in range(2)], 1)
    reel = Reel(HERE.id)
    assert reel.unsaved(always=True) is None
    await all_of(reel, where)
    assert reel.unsaved(always=False) is None
    row = reel.unsaved(always=True)
    assert isinstance(row, Put)
    reel.settle()
    reel.saved()
    assert reel.unsaved(always=True) is None

    (again,), rescans, others = take_rows([(row.key, row.value), (b"nick", b"x")])
    assert (rescans, others) == ([], [(b"nick", b"x")])
    third = frame(HERE)
    await where.add(HERE.id, [third], 2)
    restarted = Reel(HERE.id, await where.standing(again.cursor))
    assert await all_of(restarted, where) == [third.id]
    await where.add(HERE.id, [frame(HERE) for _ in range(2)], 3)
    restarted.more = True
    await all_of(restarted, where)
    assert restarted.unsaved(always=False) is not None
    await where.close()


async def test_a_number_given_out_again_is_not_taken_for_a_tried_one(tmp_path) -> None:
    minute = now_minute()
    where = shelf(tmp_path, HERE)
    old = frame(HERE, minute - 1000)
    await where.add(HERE.id, [frame(HERE, minute), old], 1)
    reel = Reel(HERE.id)
    where.on_lowered = reel.lower
    await all_of(reel, where)
    reel.settle()
    tried = reel.cursor
    await where.evict(HERE.id, minute - 500)  # the last row goes, and with it its number
    new = frame(HERE, minute)
    await where.add(HERE.id, [new], 2)
    reel.more = True
    assert await all_of(reel, where) == [new.id]
    # The same across a restart of the node, when only the vault remembers.
    assert await where.standing(tried) == START
    assert await where.standing(Mark(1, 10)) == Mark(1, 10)
    await where.close()


async def test_a_rescan_is_cut_to_its_minutes_and_remembered(tmp_path) -> None:
    minute = now_minute()
    where = shelf(tmp_path, HERE)
    batch = [frame(HERE, minute - ago) for ago in (0, 50, 100, 150)]
    await where.add(HERE.id, batch, 1)
    reel = rescan_reel(Rescan(HERE.id, minute - 120, minute - 40))
    assert await all_of(reel, where) == [batch[1].id, batch[2].id]
    _, (again,), _ = take_rows([(key, b"") for key in reel.keys])
    assert (again.commons, again.minutes, again.keys) == (reel.commons, reel.minutes, reel.keys)
    both = joined(reel, rescan_reel(Rescan(HERE.id, minute - 10, minute + 90)))
    assert await all_of(both, where) == [one.id for one in batch[:3]]
    assert len(both.keys) == 2
    await where.close()


async def test_arrivals_ascend_whatever_the_clock_does(tmp_path) -> None:
    where = shelf(tmp_path, HERE)
    for now in (1_000, 10, 10):
        await where.add(HERE.id, [frame(HERE)], now)
    marks = [arrived.mark for arrived in await where.arrived(HERE.id, START, 10)]
    assert marks == [Mark(1, 1_000), Mark(2, 1_001), Mark(3, 1_002)]
    await where.close()
    where = shelf(tmp_path, HERE)
    await where.add(HERE.id, [frame(HERE)], 5)
    assert (await where.arrived(HERE.id, marks[-1], 10))[0].mark == Mark(4, 1_003)
    await where.close()
