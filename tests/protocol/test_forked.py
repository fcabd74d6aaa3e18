"""A member who gives one number to two events, each to other people: all come to see both, and who did it.

Spec: docs/spec/events.md, *Rooms*; docs/spec/control.md (people). Nobody's client does this: it is made by hand.
"""

from __future__ import annotations

from village import MINUTE, Citizen, Village

from tertulia.protocol import event as events
from tertulia.protocol import frame as frames
from tertulia.protocol import views
from tertulia.protocol.effects import Changed, View
from tertulia.protocol.epoch import epoch_keys
from tertulia.protocol.event import Event, Kind, to_item
from tertulia.protocol.frame import Frame, FrameClass
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import FrameArrived
from tertulia.protocol.say import Say


def forked(citizen: Citizen, key: DialogueId) -> set[object]:
    return {row["nick"] for row in views.people(citizen.core, key) if row["forked"]}


def twins(village: Village, liar: Citizen, key: DialogueId, *texts: str) -> list[Frame]:
    """Events of one number, each in a frame of its own, sealed for everybody."""
    dialogue = liar.core.dialogues[key]
    state, room = dialogue.state, dialogue.plenary
    parents, control, lamport = state.cite(room, dialogue.session.actor)

    def made(text: str) -> Event:
        return events.make(
            dialogue=key, room=room, kind=Kind.SAY, seq=state.next_seq(dialogue.session.actor, room), parents=parents,
            control=control, lamport=lamport, tick=village.now // MINUTE, session_seed=dialogue.session.seed,
            salt=village.dice.randbytes(16), body=Say("message", text).encode(),
        )  # fmt: skip

    keys = epoch_keys(next(reversed(dialogue.secrets.values())))
    where, minute = village.commons.key, village.now // MINUTE
    return [
        frames.seal(where, keys, FrameClass.SMALL, minute, village.dice.randbytes(24), [to_item(made(text))])
        for text in texts
    ]


def hear(citizen: Citizen, frame: Frame) -> list[Changed]:
    """The frame comes; which views it changes."""
    citizen.archive[frame.id] = frame
    overlay = citizen.core.stage()
    effects = [*overlay.handle(FrameArrived(citizen.village.commons.id, frame), citizen.village.now)]
    effects += overlay.settle(citizen.village.now)
    citizen.commit(overlay, effects)
    return [effect for effect in effects if isinstance(effect, Changed)]


def test_who_forks_their_own_sequence_is_shown_to_all_and_both_things_are_kept() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    ada.say(key, "Good day.")
    village.settle()
    yes, no = twins(village, ada, key, "I am for it.", "I am against it.")

    assert Changed(View.PEOPLE, key) not in hear(ruth, yes)
    assert Changed(View.PEOPLE, key) not in hear(omar, no)
    assert forked(ruth, key) == forked(omar, key) == set()
    assert Changed(View.PEOPLE, key) in hear(ruth, no)  # whoever looks is told, without having to ask again
    assert Changed(View.PEOPLE, key) in hear(omar, yes)
    for citizen in (ruth, omar):
        assert forked(citizen, key) == {"Ada"}
        assert sorted(citizen.reads(key))[:2] == ["Ada: Good day.", "Ada: I am against it."]
        assert len(citizen.reads(key)) == 3
    assert ruth.state_hash(key) == omar.state_hash(key)

    ruth.say(key, "We saw both.")
    village.settle()
    for citizen in (ruth, omar):
        citizen.restart()
        village.settle()
        assert forked(citizen, key) == {"Ada"}


def test_nobody_is_called_forked_for_saying_two_things() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    for text in ("One.", "Two."):
        omar.say(key, text)
        ruth.say(key, text)
        village.settle()
    assert forked(ruth, key) == forked(omar, key) == set()
