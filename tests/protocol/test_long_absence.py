"""Closed for weeks, then opened again: what can still be read is there, and of the rest it says so. keys.md, Lack."""

from __future__ import annotations

import pytest
from village import DAY, MINUTE, Citizen, Village

from tertulia.protocol import keyring, lacking, views
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import LeaveDialogue, RemoveMember

WEEK = 7 * DAY


def close(village: Village, citizen: Citizen) -> None:
    """The laptop is shut: no timer fires, nothing arrives."""
    village.offline(citizen)
    citizen.locked = True


def reopen(village: Village, citizen: Citizen) -> None:
    """Opened again: loaded from what was committed, then in step with the others."""
    citizen.locked = False
    citizen.restart()
    village.online(citizen)
    village.wait(60 * MINUTE)


def days_of_talk(village: Village, key: DialogueId, days: int, *talkers: Citizen) -> None:
    for day in range(days):
        for one in talkers:
            one.say(key, f"{one.name} {day}")
            village.settle()
        village.wait(DAY)


@pytest.mark.parametrize(
    ("retention_days", "weeks", "change"),
    [(30, 3, "nobody"), (30, 5, "joined"), (2, 3, "left"), (2, 3, "joined"), (2, 5, "nobody")],
)
def test_who_was_away_for_weeks_has_the_story_again(retention_days: int, weeks: int, change: str) -> None:
    village = Village(retention_days=retention_days)
    ruth, omar, ada, ben = (village.citizen(name) for name in ("Ruth", "Omar", "Ada", "Ben"))
    key = village.gather(ruth, omar, ada, ben)
    days_of_talk(village, key, 2, ruth, omar, ada)
    close(village, ada)
    days_of_talk(village, key, 3, ruth, omar)
    if change == "joined":
        village.join(village.citizen("Eva"), village.invite(ruth, key))
        village.wait(5_000)
    elif change == "left":
        ben.ask(LeaveDialogue(key))
        village.settle()
    days_of_talk(village, key, 7 * weeks - 3, ruth, omar)
    reopen(village, ada)
    mine, theirs = ada.core.dialogues[key], omar.core.dialogues[key]
    assert mine.state.hash == theirs.state.hash
    assert not lacking.events(mine)
    assert mine.asking is None
    kept = [words for words, late in zip(omar.reads(key), _is_past(village, omar, key), strict=True) if not late]
    assert len(kept) >= 2 * min(retention_days, 7 * weeks) - 2
    assert [words for words in ada.reads(key) if not words.endswith(": ")][-len(kept) :] == kept
    assert len(ada.reads(key)) == len(omar.reads(key))
    ada.say(key, "I am back.")
    village.settle()
    omar.say(key, "Welcome back.")
    village.settle()
    for one in (ruth, omar, ada):
        assert one.reads(key)[-2:] == ["Ada: I am back.", "Omar: Welcome back."]
    minute = village.now // MINUTE
    assert keyring.live_prekey(theirs := omar.core.dialogues[key], mine.me, minute) is not None
    assert not theirs.state.alarms


def _is_past(village: Village, citizen: Citizen, key: DialogueId) -> list[bool]:
    first = village.now - village.commons.retention_days * DAY
    return [int(str(row["time"])) < first for _order, row in views.messages(citizen.core, key)]


def test_after_a_silence_longer_than_secrets_are_kept_who_comes_back_is_heard() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    close(village, ada)
    close(village, ruth)
    village.wait(35 * DAY)
    assert not keyring.can_let_in(omar.core.dialogues[key])
    reopen(village, ada)
    ada.say(key, "Anybody there?")
    village.settle()
    omar.say(key, "Just me.")
    village.settle()
    assert ada.reads(key) == omar.reads(key) == ["Ada: Anybody there?", "Omar: Just me."]
    reopen(village, ruth)
    assert ruth.reads(key) == omar.reads(key)


def test_who_was_away_and_is_unheard_says_so_again_though_restarted_meanwhile() -> None:
    """Back with a new prekey, closed again before anybody was there: what nobody builds on is told anew."""
    village = Village(retention_days=2)
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    close(village, ada)
    days_of_talk(village, key, 3, ruth)
    village.join(village.citizen("Eva"), village.invite(ruth, key))
    days_of_talk(village, key, 4, ruth, omar)
    ada.locked = False
    ada.restart()  # nobody is there
    close(village, ada)
    days_of_talk(village, key, 2, ruth, omar)
    reopen(village, ada)
    village.wait(2 * DAY)
    assert ada.state_hash(key) == omar.state_hash(key)
    ruth.ask(RemoveMember(key, omar.core.dialogues[key].me))
    village.settle()
    ada.say(key, "Still here.")
    village.settle()
    assert ruth.reads(key)[-1] == "Ada: Still here."
