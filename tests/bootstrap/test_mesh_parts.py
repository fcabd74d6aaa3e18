"""The parts of the mesh lab by themselves: scenarios, time, links, disks, archives. Spec: docs/guide/mesh.md."""

from __future__ import annotations

import re

import pytest

from tertulia.bootstrap.mesh.archive import SPAN, Archive, Carried
from tertulia.bootstrap.mesh.dice import dice
from tertulia.bootstrap.mesh.disk import Disk, NoRoom, PowerLost
from tertulia.bootstrap.mesh.links import Links
from tertulia.bootstrap.mesh.loop import Loop
from tertulia.bootstrap.mesh.scenario import Links as Quality
from tertulia.bootstrap.mesh.scenario import Milliseconds, ScenarioError, load, names, parse
from tertulia.protocol import frame as frames
from tertulia.protocol.effects import Erase, Put, Table
from tertulia.protocol.frame import FrameClass, FrameKeys

# -- scenarios ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_every_scenario_that_comes_along_can_be_read(name):
    scenario = load(name)
    assert scenario.name == name
    assert scenario.nodes >= scenario.talk.members


def test_durations_and_numbers():
    scenario = parse('days = 2\nrest = "1.5h"\n[links]\ndelay = "250ms"\n', "x.toml")
    assert (scenario.days, scenario.rest, scenario.links.delay) == (2.0, 5_400_000, 250)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nods = 3", "x.toml: there is no nods; did you mean nodes?"),
        ("[links]\nlos = 0.1", "x.toml: there is no links.los; did you mean links.loss?"),
        ("zzz = 1", "x.toml: there is no zzz; there are name, nodes"),
        ("nodes = 2.5", "x.toml: nodes must be a whole number, not 2.5."),
        ("nodes = true", "x.toml: nodes must be a whole number, not True."),
        ("nodes = -1", "x.toml: nodes cannot be negative."),
        ("links = 1", "x.toml: links must be a table."),
        ("rest = 5", 'x.toml: rest must be a duration such as "250ms"'),
        ('rest = "5 years"', 'x.toml: rest must be a duration such as "250ms"'),
        ("[links]\nloss = 2", "x.toml: links.loss is a share: it lies between 0 and 1, and is 2.0."),
        ("nodes = 1", "x.toml: nodes must be at least 2."),
        ("nodes = 4", "x.toml: talk.members must be between 2 and the smaller of nodes and 30."),
        ('[hostile]\nacts = ["flod"]', "x.toml: hostile.acts has no 'flod'; did you mean 'flood'?"),
        ('[hostile]\nacts = "flood"', "x.toml: hostile.acts must be a list."),
        ("nodes = ", "x.toml is not TOML"),
    ],
)
def test_what_is_wrong_with_a_scenario_is_said_with_file_key_and_the_nearest(text, words):
    with pytest.raises(ScenarioError, match=re.escape(words)):
        parse(text, "x.toml")


def test_a_scenario_that_is_not_there(tmp_path):
    with pytest.raises(ScenarioError, match="There is no scenario 'strom'; there are calm, "):
        load("strom")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(str(tmp_path / "none.toml"))


# -- time and links ----------------------------------------------------------------------------------------------------


def test_things_are_done_in_time_and_in_the_order_they_were_asked_for():
    loop, done = Loop(1_000), []
    loop.after(20, lambda: done.append(("late", loop.now)))
    loop.after(10, lambda: done.append(("first", loop.now)))
    loop.at(1_010, lambda: done.append(("second", loop.now)))
    loop.at(0, lambda: done.append(("at once", loop.now)))
    loop.run(1_015)
    assert done == [("at once", 1_000), ("first", 1_010), ("second", 1_010)]
    assert loop.now == 1_015


def sent(quality: Quality, number: int = 2_000, seed: int = 1) -> list[int]:
    """When each message arrives that leaves at time 0."""
    loop = Loop(0)
    links = Links(loop, dice(seed, "links"), quality)
    arrived: list[int] = []
    for _ in range(number):
        links.send(0, 1, lambda: arrived.append(loop.now))
    loop.run(10**9)
    return arrived


def test_links_delay_lose_double_and_reorder_as_they_are_told():
    assert set(sent(Quality(delay=Milliseconds(60), jitter=Milliseconds(0)))) == {60}
    jittered = sent(Quality(delay=Milliseconds(60), jitter=Milliseconds(20)))
    assert min(jittered) >= 40
    assert max(jittered) <= 80
    assert 1_850 < len(sent(Quality(loss=0.05))) < 1_950
    assert 2_050 < len(sent(Quality(duplicate=0.05))) < 2_150
    late = sent(Quality(late=0.1, late_by=Milliseconds(5_000)))
    assert 150 < sum(when > 80 for when in late) < 250


def test_the_same_seed_draws_the_same_and_streams_do_not_touch():
    quality = Quality(loss=0.3)
    assert sent(quality) == sent(quality) != sent(quality, seed=2)
    assert dice(1, "a").random() != dice(1, "b").random()


def test_no_message_crosses_a_partition_nor_is_under_way_in_one():
    loop, arrived = Loop(0), []
    links = Links(loop, dice(1, "links"), Quality())
    links.send(0, 1, lambda: arrived.append("under way"))
    links.part([0])
    links.send(0, 1, lambda: arrived.append("across"))
    links.send(1, 2, lambda: arrived.append("beside"))
    loop.run(1_000)
    links.mend()
    links.send(0, 1, lambda: arrived.append("mended"))
    loop.run(2_000)
    assert arrived == ["beside", "mended"]


# -- disks and archives ------------------------------------------------------------------------------------------------

BEFORE = {Table.EVENT: {b"a": b"1"}}
BATCH = (Put(Table.EVENT, b"b", b"2"), Erase(Table.EVENT, b"a"), Put(Table.FRAME, b"c", b"3"))


def disk() -> Disk:
    made = Disk()
    made.commit((Put(Table.EVENT, b"a", b"1"),), 1, ())
    return made


def test_a_batch_is_written():
    made = disk()
    made.commit(BATCH, 2, ((1, 2),))
    assert made.read() == {Table.EVENT: [(b"b", b"2")], Table.FRAME: [(b"c", b"3")]}
    assert (made.cursor, made.rescans) == (2, ((1, 2),))


@pytest.mark.parametrize("cut", range(5))
def test_a_batch_that_is_cut_off_was_never_written(cut):
    made = disk()
    made.cut = cut
    with pytest.raises(PowerLost):
        made.commit(BATCH, 2, ())
    made.recover()
    assert made.rows == BEFORE
    assert made.cursor == 1
    made.commit((), 3, ())
    assert made.rows == BEFORE


def test_a_full_disk_takes_nothing_and_the_next_batch_again():
    made = disk()
    made.full = True
    with pytest.raises(NoRoom):
        made.commit(BATCH, 2, ())
    assert made.rows == BEFORE
    made.commit(BATCH, 2, ())
    assert made.rows != BEFORE


def carried(number: int, minute: int) -> Carried:
    keys = FrameKeys(bytes(32), bytes(32))
    return Carried(number, 1 << number, frames.seal(bytes(32), keys, FrameClass.SMALL, minute, bytes(24), []), True)


def test_an_archive_holds_a_frame_once_and_tells_where_it_differs_from_another():
    one, other = Archive(), Archive()
    for number in range(6):
        assert one.add(carried(number, number * SPAN))
        assert not one.add(carried(number, number * SPAN))
    for number in (0, 1, 3, 4, 5):
        other.add(carried(number, number * SPAN))
    other.add(carried(9, 4 * SPAN + 7))
    assert one.differing(other.outline(0), 0) == {2, 4}
    assert one.differing(other.outline(3 * SPAN), 3 * SPAN) == {4}
    assert {found.number for found in one.listing({2, 4}).values()} == {2, 4}
    assert carried(2, 2 * SPAN) in one
    assert carried(2, 2 * SPAN) not in other


def test_an_archive_evicts_by_minutes():
    archive = Archive()
    for number in range(4):
        archive.add(carried(number, number * SPAN + 10))
    archive.evict(2 * SPAN + 10)
    assert [one.number for one in archive] == [2, 3]
    assert archive.between(0, 10**6) == [2, 3]
    archive.evict(2 * SPAN + 11)
    assert [one.number for one in archive] == [3]
    assert archive.outline(0) == {3: 1 << 3}
