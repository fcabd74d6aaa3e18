"""Many names on one address are not many quotas: real hosts, one of them listening, the others come and go."""

from __future__ import annotations

import trio
from carriers import commons, frame, held, network, shelf

from tertulia.node import holdings as holding
from tertulia.node.holdings import Holdings
from tertulia.node.quota import LINE_FACTOR, Allowance, line_of
from tertulia.protocol.sync_messages import Verdict

HERE = commons()
SEED = b"s" * 32
FEW = Allowance(frames=3)
DAY_MS = 24 * 60 * 60 * 1_000
NOW = 20_000 * DAY_MS
MINUTE = NOW // 60_000


async def brings(folder, to, count: int) -> None:
    """A fresh PeerId comes, brings so many frames, and goes."""
    counts = to.carrier.counts

    def judged() -> int:
        return counts["kept"] + counts["quota gone"] + counts["quota refused"]

    before = judged()
    async with network(folder, HERE, peers=to.addresses) as (one, ear_one):
        await ear_one.until(lambda: one.reached == 1)
        await one.carrier.publish([frame(HERE) for _ in range(count)])
        with trio.fail_after(20):
            while judged() < before + count:  # noqa: ASYNC110 - what is gone is told to nobody
                await trio.sleep(0.02)


async def test_many_peers_of_one_address_share_four_quotas_also_after_a_restart(tmp_path) -> None:
    async with network(tmp_path / "seed", HERE, seed=SEED) as (seed, _):
        seed.carrier.holdings.allow(FEW)
        for number in range(LINE_FACTOR + 2):
            await brings(tmp_path / f"sybil {number}", seed, FEW.frames)
        assert len(await held(seed.carrier)) == LINE_FACTOR * FEW.frames
        assert seed.carrier.counts["quota gone"] >= 2 * FEW.frames
        ours = frame(HERE)
        await seed.carrier.publish([ours])
        assert ours.id in await held(seed.carrier), "our own frames come from no address"
        ledger = await seed.carrier.shelf.ledger(HERE.id)
        names = {one.neighbour for one in ledger.spent}
        assert line_of(HERE.key, "127.0.0.1") in names
        assert not [name for name in names if "127.0.0.1" in name]
    async with network(tmp_path / "seed", HERE, seed=SEED) as (seed, _):
        seed.carrier.holdings.allow(FEW)
        await brings(tmp_path / "another", seed, 1)
        assert len(await held(seed.carrier)) == LINE_FACTOR * FEW.frames + 1


async def take(one: Holdings, count: int, neighbour: str, now: int = NOW) -> list[Verdict]:
    return list((await one.take([(frame(HERE, MINUTE), neighbour) for _ in range(count)], now)).verdicts)


async def test_who_comes_from_elsewhere_has_a_quota_of_their_own(tmp_path) -> None:
    one = Holdings(shelf(tmp_path, HERE), HERE.id, FEW)
    for number in range(LINE_FACTOR):
        one.came(f"sybil {number}", "@here")
        assert await take(one, 3, f"sybil {number}") == [Verdict.KEPT] * 3
    one.came("one more", "@here")
    assert not one.is_full("one more", NOW)
    assert await take(one, 1, "one more") == [Verdict.GONE]
    one.came("honest", "@there")
    assert await take(one, 4, "honest") == [Verdict.KEPT] * 3 + [Verdict.GONE]
    assert await take(one, 1, "one more", NOW + DAY_MS) == [Verdict.KEPT]
    await one._shelf.close()


async def test_the_names_of_one_line_make_no_more_gone_than_four_neighbours(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(holding, "LIMIT_GONE_LINE", 8)
    one = Holdings(shelf(tmp_path, HERE), HERE.id, Allowance(frames=0))
    for number in range(4):
        one.came(f"sybil {number}", "@here")
        assert await take(one, 2, f"sybil {number}") == [Verdict.GONE] * 2
    one.came("one more", "@here")
    assert await take(one, 1, "one more") == [Verdict.REFUSED]
    assert one.is_full("one more", NOW)
    await one._shelf.close()
    again = Holdings(shelf(tmp_path, HERE), HERE.id, Allowance(frames=0))
    again.came("still here", "@here")
    assert await take(again, 1, "still here") == [Verdict.REFUSED]
    again.came("honest", "@there")
    assert await take(again, 1, "honest") == [Verdict.GONE]
    assert await take(again, 1, "still here", NOW + DAY_MS) == [Verdict.GONE]
    await again._shelf.close()


async def test_where_many_came_from_is_remembered_within_bounds(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(holding, "LIMIT_CAME", 2)
    one = Holdings(shelf(tmp_path, HERE), HERE.id, FEW)
    for name in ("ana", "ben", "ana", "eva"):
        one.came(name, "@here")
    assert [one.line(name) for name in ("ana", "ben", "eva")] == ["@here", "", "@here"]
    await one._shelf.close()
