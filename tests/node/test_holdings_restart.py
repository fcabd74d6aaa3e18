"""What is gone and what each neighbour has brought outlive the node: a restart gives nobody a second quota."""

from __future__ import annotations

import apsw
import pytest
from carriers import commons, frame, shelf

from tertulia.node.holdings import Holdings
from tertulia.node.quota import Allowance
from tertulia.node.store.archive import KIND, Archive
from tertulia.node.store.database import Database, Kind
from tertulia.node.store.ledger import GoneFrame, Ledger, Spent
from tertulia.protocol.gone import LIMIT_GONE_NEIGHBOUR
from tertulia.protocol.sync_messages import Verdict
from tertulia.protocol.sync_terms import Stand, agree

HERE = commons()
DAY_MS = 24 * 60 * 60 * 1_000
NOW = 20_000 * DAY_MS
MINUTE = NOW // 60_000
FEW = Allowance(frames=3)
STAND = Stand(NOW, MINUTE - 30 * 24 * 60)


def some(count: int, minute: int = MINUTE) -> list:
    return [frame(HERE, minute) for _ in range(count)]


async def restarted(folder) -> Holdings:
    """As after `kill -9`: nothing of the one before is closed first."""
    one = Holdings(shelf(folder, HERE), HERE.id, FEW)
    await one.ready()
    return one


async def take(one: Holdings, frames, neighbour: str, now: int = NOW) -> list[Verdict]:
    return list((await one.take([(each, neighbour) for each in frames], now)).verdicts)


async def test_a_restart_gives_nobody_a_second_quota_that_day(tmp_path) -> None:
    first = await restarted(tmp_path)
    frames = some(4)
    assert await take(first, frames, "ana") == [Verdict.KEPT] * 3 + [Verdict.GONE]
    await first._shelf.close()
    again = await restarted(tmp_path)
    assert await take(again, some(1), "ana") == [Verdict.GONE]
    assert await take(again, some(1), "ben") == [Verdict.KEPT], "nobody takes from another's"
    assert await take(again, some(1), "ana", NOW + DAY_MS) == [Verdict.KEPT], "tomorrow is another day"
    await again._shelf.close()


async def test_what_is_gone_stays_gone_and_is_asked_of_others_alone(tmp_path) -> None:
    terms = agree(STAND, STAND)
    first = await restarted(tmp_path)
    frames = some(5)
    await take(first, frames, "ana")
    days = first.gone_days()
    assert days[0].count == 2
    await first._shelf.close()
    again = await restarted(tmp_path)
    assert again.gone_days() == days
    assert again.to_retry("ana", terms, NOW) == ()
    assert len(again.to_retry("ben", terms, NOW)) == 2
    assert await take(again, frames[3:4], "ben") == [Verdict.KEPT]
    await again._shelf.close()
    third = await restarted(tmp_path)
    assert [day.count for day in third.gone_days()] == [1]
    assert len(third.to_retry("ana", terms, NOW + DAY_MS)) == 1, "on another day it is asked of her, too"
    await third.evict(MINUTE + 1)
    await third._shelf.close()
    last = await restarted(tmp_path)
    assert last.gone_days() == ()
    await last._shelf.close()


async def test_who_made_too_much_gone_has_done_so_after_a_restart(tmp_path) -> None:
    first = await restarted(tmp_path)
    few = some(3)
    await take(first, few, "ana")
    for _ in range(0, LIMIT_GONE_NEIGHBOUR, 128):
        await take(first, some(128), "ana")
    assert await take(first, some(1), "ana") == [Verdict.REFUSED]
    await first._shelf.close()
    again = await restarted(tmp_path)
    assert await take(again, some(1), "ana") == [Verdict.REFUSED]
    assert again.is_full("ana", NOW)
    ledger = await again._shelf.ledger(HERE.id)
    assert len(ledger.gone) == LIMIT_GONE_NEIGHBOUR
    assert len(ledger.spent) == 1
    await again._shelf.close()


async def test_of_a_day_that_is_over_no_neighbour_is_remembered(tmp_path) -> None:
    one = await restarted(tmp_path)
    await take(one, some(4), "ana")
    await take(one, some(4), "ben", NOW + DAY_MS)
    ledger = await one._shelf.ledger(HERE.id)
    assert [spent.neighbour for spent in ledger.spent] == ["ben"]
    await one._shelf.close()


def test_a_commons_that_is_left_takes_its_ledger_along(tmp_path) -> None:
    archive = Archive.create(tmp_path / "x.db", bytes(32))
    archive.put_commons(HERE.id, b"")
    archive.add(HERE.id, [], 0, noted())
    archive.remove_commons(HERE.id)
    archive.put_commons(HERE.id, b"")
    assert archive.ledger(HERE.id) == Ledger()
    archive.close()


def noted() -> list:
    return [GoneFrame(MINUTE, some(1)[0].id, 1, ("ana",)), Spent("ana", 1, 1, 1, 1)]


def test_an_archive_of_before_opens_with_its_frames_and_an_empty_ledger(tmp_path) -> None:
    old = Kind(KIND.what, KIND.application, KIND.steps[:1])
    database = Database.create(tmp_path / "x.db", bytes(32), old)
    one = some(1)[0]

    def fill(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO commons (number, commons, record) VALUES (1, ?, x'')", (HERE.id,))
        row = (one.id, one.minute, one.raw)
        connection.execute("INSERT INTO frame VALUES (1, 1, ?, ?, 7, 1024, ?)", row)

    database.change(fill)
    database.close()
    archive = Archive.open(tmp_path / "x.db", bytes(32))
    assert archive.get(HERE.id, [one.id]) == [one.raw]
    assert archive.ledger(HERE.id) == Ledger()
    archive.close()


@pytest.mark.parametrize("neighbour", ["ana", "others"])
async def test_the_ledger_is_written_with_the_frames_or_not_at_all(tmp_path, neighbour) -> None:
    one = await restarted(tmp_path)
    await take(one, some(2), neighbour)
    (spent,) = (await one._shelf.ledger(HERE.id)).spent
    assert (spent.neighbour, spent.frames, spent.size, spent.gone) == (neighbour, 2, 2_048, 0)
    await one._shelf.close()
