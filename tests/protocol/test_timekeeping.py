"""A clock that jumps erases nothing until somebody confirms it. Spec: docs/spec/core.md §6."""

import pytest
from village import DAY, MINUTE, Citizen, Village

from tertulia.protocol import timekeeping, views
from tertulia.protocol.core import CLOCK, CLOCK_TIMER
from tertulia.protocol.effects import Table
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import ClockSeen, ConfirmClock, SayText, TimerFired
from tertulia.protocol.prekey import Prekey
from tertulia.protocol.timekeeping import JUMP_MS, LOOK_MS, NEAR_MS, Timekeeping

T = 1_795_360_440_000
HOUR = 60 * MINUTE


def test_a_clock_that_goes_on_or_back_is_believed_and_one_that_jumps_ahead_is_not() -> None:
    believed = Timekeeping().look(T)
    assert (believed.known, believed.is_sure) == (T, True)
    assert believed.look(T + JUMP_MS) == Timekeeping(T + JUMP_MS)
    assert believed.look(T - 400 * DAY) == Timekeeping(T - 400 * DAY)
    ahead = believed.look(T + JUMP_MS + 1)
    assert (ahead.known, ahead.doubted, ahead.is_sure) == (T, T + JUMP_MS + 1, False)
    assert ahead.look(T + HOUR) == Timekeeping(T + HOUR), "set right again, it is believed"
    assert ahead.confirm(T + 2 * JUMP_MS) == Timekeeping(T + 2 * JUMP_MS)


def test_two_neighbours_end_the_doubt_and_one_does_not_however_often_it_speaks() -> None:
    now = T + 40 * DAY
    one = Timekeeping(T).hear("a", now + NEAR_MS, now)
    assert (one.is_sure, one.witnesses) == (False, frozenset("a"))
    assert one.hear("a", now, now + HOUR).hear("a", now, now).is_sure is False
    assert one.hear("b", now - NEAR_MS, now) == Timekeeping(now)


def test_who_is_too_far_off_confirms_nothing_and_takes_back_what_it_said() -> None:
    now = T + 40 * DAY
    one = Timekeeping(T).hear("a", now, now)
    assert one.hear("b", now + NEAR_MS + 1, now).witnesses == frozenset("a")
    assert one.hear("a", T, now).witnesses == frozenset()


def test_a_confirmation_is_of_that_time_and_not_of_a_later_jump() -> None:
    now = T + 40 * DAY
    one = Timekeeping(T).hear("a", now, now)
    again = one.look(now + JUMP_MS + 1)
    assert (again.is_sure, again.witnesses) == (False, frozenset())
    assert one.look(now + JUMP_MS).witnesses == frozenset("a")


def test_neighbours_say_nothing_to_a_clock_that_is_believed() -> None:
    assert Timekeeping(T).hear("a", T + 400 * DAY, T + HOUR) == Timekeeping(T + HOUR)


def test_what_is_written_down_is_read_again_and_anything_else_is_damage() -> None:
    assert timekeeping.read(None) == Timekeeping()
    assert timekeeping.read(Timekeeping(T, T + 40 * DAY, frozenset("a")).encode()) == Timekeeping(T)
    assert Timekeeping(T).is_worth_noting(T - LOOK_MS)
    assert not Timekeeping(T).is_worth_noting(T - LOOK_MS + 1)
    with pytest.raises(RemoteError):
        timekeeping.read(b"\x20")


def keys(citizen: Citizen, key: DialogueId) -> tuple[set[object], ...]:
    """What an erasure would take: epoch secrets, prekeys, invites; as held and as written down."""
    dialogue = citizen.core.dialogues[key]
    rows = {name[32:] for table in (Table.EPOCH, Table.PREKEY) for name in citizen.rows.get(table, {})}
    held = {*dialogue.secrets, *dialogue.prekeys}
    return held, rows, set(citizen.core.invites), set(citizen.rows.get(Table.INVITE, {}))


def away(days: int) -> tuple[Village, DialogueId, Citizen]:
    """Ruth has talked, was off, and comes back with a clock that shows so many days later."""
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    ruth.restart()  # a node that starts looks at its clock every hour from then on
    village.invite(ruth, key)
    village.now += days * DAY
    return village, key, ruth


def test_after_a_jump_nothing_is_erased_until_the_person_confirms_the_clock() -> None:
    village, key, ruth = away(100)
    before = keys(ruth, key)
    assert all(before)
    ruth.restart()
    ruth.ask(SayText(key, "Is anybody here?"))
    for name in list(ruth.timers):
        ruth.run(TimerFired(name))
    after = keys(ruth, key)
    assert all(old <= new for old, new in zip(before, after, strict=True)), "keys were added, none erased"
    told = views.clock(ruth.core.time)
    assert (told["shows"], told["agree"]) == (village.now, 0)
    assert village.now - int(str(told["known"])) - 100 * DAY < LOOK_MS
    assert ruth.ask(ConfirmClock()) == {"now": village.now}
    held, rows, invites, written = keys(ruth, key)
    assert not held & before[0]
    assert not rows & before[1]
    assert not invites | written
    assert views.clock(ruth.core.time) == {}


def test_after_a_jump_nothing_is_erased_until_two_neighbours_confirm_the_clock() -> None:
    village, key, ruth = away(100)
    before = keys(ruth, key)
    ruth.restart()
    ruth.run(ClockSeen("a", village.now), ClockSeen("liar", village.now - 99 * DAY))
    assert views.clock(ruth.core.time)["agree"] == 1
    assert before[0] <= keys(ruth, key)[0]
    ruth.run(ClockSeen("b", village.now + HOUR))
    assert not keys(ruth, key)[0] & before[0]


def test_a_clock_set_right_again_has_cost_nothing() -> None:
    village, key, ruth = away(100)
    ruth.restart()
    before = keys(ruth, key)
    village.now -= 100 * DAY
    ruth.run(TimerFired(CLOCK_TIMER))
    assert ruth.core.time.is_sure
    held, rows, invites, written = keys(ruth, key)
    assert (held & before[0], rows & before[1], invites, written) == before, "none is erased"
    assert len(held - before[0]) == 1, "and a prekey takes the place of the one that lies ahead"


def published(citizen: Citizen, key: DialogueId, of: Citizen) -> Prekey:
    """The prekey that others seal to."""
    return citizen.core.dialogues[key].state.members[of.core.dialogues[key].me].prekeys[0]


@pytest.mark.parametrize("confirmed", [True, False])
def test_keys_that_a_false_clock_has_dated_are_replaced_when_it_is_set_right_and_erased_at_the_next_renewal(
    confirmed: bool,
) -> None:
    village, key, ruth = away(100)
    omar = village.citizens["Omar"]
    village.offline(ruth)
    ruth.restart()
    if confirmed:
        ruth.ask(ConfirmClock())
    village.settle()
    ahead, session = published(ruth, key, ruth), ruth.core.dialogues[key].session
    assert ahead.born == session.start == village.now // MINUTE
    village.now -= 100 * DAY
    ruth.run(TimerFired(CLOCK_TIMER))
    village.online(ruth)
    village.wait(30 * MINUTE)
    right = published(omar, key, ruth)
    assert right == published(ruth, key, ruth)
    assert right.born == ruth.core.dialogues[key].session.start == village.now // MINUTE - 30
    assert {ahead.id, right.id} <= ruth.core.dialogues[key].prekeys.keys(), "what was sealed to it can be opened still"
    village.wait(9 * DAY)
    assert published(omar, key, ruth) == right
    assert ahead.id in ruth.core.dialogues[key].prekeys
    village.wait(2 * DAY)
    assert published(omar, key, ruth).born > right.born
    assert ahead.id not in ruth.core.dialogues[key].prekeys
    assert key + ahead.id not in ruth.rows[Table.PREKEY]
    assert right.id in ruth.core.dialogues[key].prekeys


def test_a_clock_set_back_a_little_replaces_nothing() -> None:
    village, key, ruth = away(0)
    before = keys(ruth, key)
    village.now -= NEAR_MS - 2 * MINUTE
    ruth.run(TimerFired(CLOCK_TIMER))
    assert keys(ruth, key) == before
    assert not timekeeping.is_ahead(120, 0)
    assert timekeeping.is_ahead(121, 0)


def test_while_the_clock_is_in_doubt_a_renewal_erases_nothing_that_lies_ahead() -> None:
    village, key, ruth = away(100)
    ruth.restart()
    ahead = published(ruth, key, ruth)
    village.now -= 100 * DAY
    ruth.run(TimerFired(CLOCK_TIMER))
    village.now += 40 * DAY
    ruth.run(TimerFired(f"keys:{key.hex()}"))
    assert not ruth.core.time.is_sure
    assert published(ruth, key, ruth).born == village.now // MINUTE
    assert ahead.id in ruth.core.dialogues[key].prekeys


def test_a_node_that_runs_erases_in_time_without_asking_anybody() -> None:
    village, key, ruth = away(0)
    before = keys(ruth, key)
    village.wait(32 * DAY)
    assert ruth.core.time.is_sure
    assert not keys(ruth, key)[0] & before[0]
    noted = ruth.rows[Table.PROFILE][CLOCK]
    assert village.now - timekeeping.read(noted).known <= LOOK_MS


def test_a_short_absence_asks_nobody() -> None:
    _village, _key, ruth = away(1)
    ruth.restart()
    assert ruth.core.time.is_sure
