"""The core as a story: people found, join, talk, go away, come back, are removed. Spec: docs/spec/core.md."""

import pytest
from village import DAY, MINUTE, Refused, Village

from tertulia.protocol import views
from tertulia.protocol.inputs import LeaveDialogue, RemoveMember


def test_two_people_talk() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)

    ruth.say(dialogue, "Welcome, Omar.")
    village.settle()
    omar.say(dialogue, "Thank you, Ruth.")
    village.settle()

    assert ruth.reads(dialogue) == ["Ruth: Welcome, Omar.", "Omar: Thank you, Ruth."]
    assert omar.reads(dialogue) == ruth.reads(dialogue)
    assert ruth.state_hash(dialogue) == omar.state_hash(dialogue)


def test_nothing_shows_in_any_frame() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth Ben-Haddou"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar, title="Water in the valley")
    ruth.say(dialogue, "Meet at the old mill at nine.")
    village.settle()
    everything = b"".join(frame.raw for frame in omar.archive.values())
    for secret in (b"old mill", b"Water in", b"Ben-Haddou"):
        assert secret not in everything


def test_the_inviter_may_be_away() -> None:
    village = Village()
    ruth, carrier, omar = village.citizen("Ruth"), village.citizen("Carrier"), village.citizen("Omar")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue)
    village.offline(ruth)

    village.join(omar, invite)
    assert [row["state"] for row in views.joins(omar.core)] == ["knocked"]

    village.wait(60 * MINUTE)
    village.offline(omar)
    village.online(ruth)
    village.wait(5_000)
    village.offline(ruth)
    assert carrier.archive
    village.online(omar)
    assert [row["state"] for row in views.joins(omar.core)] == ["admitted"]
    assert views.people(omar.core, dialogue)


def test_said_offline_is_sent_on_return() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    village.offline(omar)
    omar.say(dialogue, "I wrote this on the train.")
    ruth.say(dialogue, "I wrote this at home.")
    village.settle()
    assert views.unsent(omar.core) == 1
    village.wait(3 * DAY)
    village.online(omar)
    village.settle()
    assert views.unsent(omar.core) == 0
    assert sorted(ruth.reads(dialogue)) == ["Omar: I wrote this on the train.", "Ruth: I wrote this at home."]
    assert ruth.state_hash(dialogue) == omar.state_hash(dialogue)


def test_a_day_later_new_keys_and_the_talk_goes_on() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    dialogue = village.gather(ruth, omar, ada)
    first = ruth.core.dialogues[dialogue].session.actor
    for day in range(3):
        for citizen in (ruth, omar, ada):
            citizen.say(dialogue, f"Day {day}")
            village.settle()
        village.wait(DAY + MINUTE)
    assert ruth.core.dialogues[dialogue].session.actor != first
    assert len(omar.reads(dialogue)) == 9
    assert len({citizen.state_hash(dialogue) for citizen in (ruth, omar, ada)}) == 1
    assert not omar.core.dialogues[dialogue].state.alarmed


def test_after_a_crash_everything_committed_is_there() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    ruth.say(dialogue, "Before.")
    village.settle()
    before = omar.state_hash(dialogue)
    omar.restart()
    ruth.restart()
    village.settle()
    assert omar.state_hash(dialogue) == before
    omar.say(dialogue, "After.")
    village.settle()
    assert ruth.reads(dialogue) == ["Ruth: Before.", "Omar: After."]


def test_a_failed_commit_leaves_no_trace() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    before = (ruth.state_hash(dialogue), views.unsent(ruth.core), dict(ruth.core.opened))
    overlay = ruth.core.stage()
    from tertulia.protocol.inputs import Ask, SayText

    overlay.handle(Ask(99, SayText(dialogue, "Never committed.")), village.now)
    overlay.settle(village.now)
    assert overlay.dialogues[dialogue].state.hash != before[0]
    assert (ruth.state_hash(dialogue), views.unsent(ruth.core), dict(ruth.core.opened)) == before


def test_the_removed_read_nothing_more_and_are_not_shown() -> None:
    village = Village()
    ruth, omar, mole = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Mole")
    dialogue = village.gather(ruth, omar, mole)
    mole.say(dialogue, "Seen by all.")
    village.settle()
    member = mole.core.dialogues[dialogue].me
    ruth.ask(RemoveMember(dialogue, member))
    village.settle()
    ruth.say(dialogue, "Now without the mole.")
    village.settle()
    assert omar.reads(dialogue) == ["Mole: Seen by all.", "Ruth: Now without the mole."]
    assert mole.reads(dialogue) == ["Mole: Seen by all."]
    with pytest.raises(Refused, match="removed"):
        mole.say(dialogue, "Hello?")


def test_who_leaves_is_gone_and_the_rest_go_on() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    dialogue = village.gather(ruth, omar, ada)
    ada.ask(LeaveDialogue(dialogue))
    village.settle()
    omar.say(dialogue, "She left.")
    village.settle()
    assert ruth.reads(dialogue) == ["Omar: She left."]
    assert ada.reads(dialogue) == []
    assert ruth.state_hash(dialogue) == omar.state_hash(dialogue)


def test_a_newcomer_reads_from_now_on_and_agrees_on_the_state() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    for n in range(5):
        omar.say(dialogue, f"Old {n}")
        village.settle()
    ada = village.citizen("Ada")
    village.join(ada, village.invite(ruth, dialogue))
    village.wait(5_000)
    ada.say(dialogue, "New here.")
    village.settle()
    assert ada.reads(dialogue) == ["Ada: New here."]
    assert len(omar.reads(dialogue)) == 6
    assert len({citizen.state_hash(dialogue) for citizen in (ruth, omar, ada)}) == 1
