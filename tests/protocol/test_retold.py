"""Events told again to one member, and what a hostile teller or asker may try. Spec: docs/spec/keys.md, Retold."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from village import DAY, MINUTE, Citizen, Village

from tertulia.protocol import answering, asking, hpke, keyring, lacking, pair, retold
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import CONTROL, Event, Kind, make, to_item
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import DialogueId, EventId, PersonaId, PrekeyId
from tertulia.protocol.inputs import LeaveDialogue
from tertulia.protocol.item import Item
from tertulia.protocol.mark import LIMIT_ASKED, LIMIT_CUT, LIMIT_LACKING, LIMIT_MARK_BODY, Lack, decode_mark
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.retold import LIMIT_EVENTS, LIMIT_PORTION, Retold, portions, retold_context
from tertulia.protocol.roster import Prekeys
from tertulia.protocol.say import Say
from tertulia.protocol.turn import Turn


def gathered(*names: str) -> tuple[Village, DialogueId, list[Citizen]]:
    village = Village()
    people = [village.citizen(name) for name in names]
    return village, village.gather(*people), people


def told(village: Village, key: DialogueId, teller: Citizen, to: Citizen, events: Sequence[Event]) -> Item:
    """What a member's own program may make of these events."""
    held, theirs = teller.core.dialogues[key], to.core.dialogues[key]
    prekey = keyring.live_prekey(held, theirs.me, village.now // MINUTE)
    assert prekey is not None
    context = retold_context(key, held.me, theirs.me, prekey.id)
    nonce = village.dice.randbytes(24)
    one = retold.request(held.persona.box_secret, prekey, nonce, context, events, more=False)
    return Retold(held.me, prekey.id, hpke.seal(one.public, one.info, one.plaintext)).to_item()


def take(village: Village, key: DialogueId, to: Citizen, item: Item) -> tuple[Event, ...]:
    return asking.take_retold(to.core.stage(), Turn(village.now, village.dice.randbytes), key, item)


def test_a_lack_has_one_encoding_and_fits_a_mark() -> None:
    ids = [bytes([n]) * 32 for n in range(LIMIT_ASKED)]
    full = Lack(
        tuple(PersonaId(one) for one in ids),
        tuple(keyring.EpochId(one) for one in ids[:LIMIT_LACKING]),
        tuple(EventId(one) for one in ids[:LIMIT_LACKING]),
        tuple(EventId(one) for one in ids[:LIMIT_CUT]),
    )
    assert len(full.encode()) <= LIMIT_MARK_BODY
    assert decode_mark(full.encode()) == full
    none = Lack((PersonaId(ids[0]),))
    assert decode_mark(none.encode()) == none


def test_the_lane_between_two_is_the_same_from_either_side_and_needs_a_key() -> None:
    _village, key, (ruth, omar) = gathered("Ruth", "Omar")
    here, there = ruth.core.dialogues[key], omar.core.dialogues[key]
    assert here.pairs[there.me] == there.pairs[here.me]
    with pytest.raises(ValueError, match="low order"):
        pair.pair_keys(here.persona.box_secret, bytes(32))


def test_what_is_told_again_is_taken_once_and_proves_itself() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    omar.online = False
    ruth.say(key, "Missed.")
    village.wire.clear()
    held = ruth.core.dialogues[key]
    item = told(village, key, ruth, omar, tuple(held.events.values()))
    taken = [event.content for event in take(village, key, omar, item) if event.header.room != CONTROL]
    assert taken == [Say("message", "Missed.")]
    mine = omar.core.dialogues[key]
    stranger = Retold(PersonaId(bytes(32)), next(iter(mine.prekeys)), bytes(9))
    elsewhere = Retold(held.me, PrekeyId(bytes(32)), bytes(9))
    assert take(village, key, omar, stranger.to_item()) == take(village, key, omar, elsewhere.to_item()) == ()
    junk = Retold(held.me, next(iter(mine.prekeys)), bytes(9))
    with pytest.raises(RemoteError) as refused:
        take(village, key, omar, junk.to_item())
    assert refused.value.reason is RejectReason.SEAL


def test_what_is_sealed_for_another_place_is_refused() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    other = village.gather(ruth, omar, title="Other")
    mine = omar.core.dialogues[key]
    (prekey,) = mine.prekeys.values()
    held = ruth.core.dialogues[key]
    context = retold_context(other, held.me, mine.me, prekey.public.id)
    right = retold_context(key, held.me, mine.me, prekey.public.id)
    one = retold.request(held.persona.box_secret, prekey.public, bytes(24), context, (), more=False)
    moved = Retold(held.me, prekey.public.id, hpke.seal(one.public, right, one.plaintext))
    strange = tuple(ruth.core.dialogues[other].events.values())[:1]
    for item, reason in (
        (moved.to_item(), RejectReason.SEAL),
        (told(village, key, ruth, omar, strange), RejectReason.ID),
    ):
        with pytest.raises(RemoteError) as refused:
            take(village, key, omar, item)
        assert refused.value.reason is reason


def test_speech_without_its_body_before_its_time_is_refused() -> None:
    village, key, (ruth, omar, mallory) = gathered("Ruth", "Omar", "Mallory")
    omar.online = False
    ruth.say(key, "Not to be emptied.")
    village.settle()
    held = mallory.core.dialogues[key]
    acts = [event.erased() for event in held.events.values()]
    speech = [event for event in acts if event.header.room != CONTROL]
    control = [event for event in acts if event.header.room == CONTROL]
    for emptied in (speech, control):
        with pytest.raises(RemoteError) as refused:
            take(village, key, omar, told(village, key, mallory, omar, emptied))
        assert refused.value.reason is RejectReason.SHAPE
    village.now += 31 * DAY
    assert all(event.body is None for event in _past(village, key, ruth, omar))


def _past(village: Village, key: DialogueId, teller: Citizen, to: Citizen) -> list[Event]:
    """What is past its time is kept without its body, also where it was told with it."""
    held, mine = teller.core.dialogues[key], to.core.dialogues[key]
    (prekey,) = mine.prekeys.values()
    context = retold_context(key, held.me, mine.me, prekey.public.id)
    speech = [event for event in held.events.values() if event.header.room != CONTROL]
    one = retold.request(held.persona.box_secret, prekey.public, bytes(24), context, speech, more=False)
    item = Retold(held.me, prekey.public.id, hpke.seal(one.public, one.info, one.plaintext)).to_item()
    found = list(take(village, key, to, item))
    assert found
    return found


def ask(village: Village, asker: Citizen, key: DialogueId, lack: Lack) -> None:
    """A question of one's own making, behind the door."""
    core = asker.core.stage()
    turn = Turn(village.now, core.entropy)
    held = core.own(key)
    from tertulia.protocol.sending import send_control

    send_control(core, turn, held, held.author(turn, CONTROL, Kind.MARK, lack.encode()))
    asker.commit(core, [*turn.effects, *core.settle(village.now)])
    village.settle()


def test_what_was_said_without_the_asker_is_not_told() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    omar.say(key, "Before she came.")
    village.settle()
    mallory = village.citizen("Mallory")
    village.join(mallory, village.invite(ruth, key))
    village.wait(5_000)
    ruth.say(key, "Now she is here.")
    village.settle()
    old = tuple(epoch for epoch in ruth.core.dialogues[key].secrets if epoch not in mallory.core.dialogues[key].secrets)
    said = tuple(entry.event for entry in ruth.core.dialogues[key].state.rooms[ruth.core.dialogues[key].plenary].log)
    asked = tuple(sorted(one.core.dialogues[key].me for one in (ruth, omar)))
    ask(village, mallory, key, Lack(asked, tuple(sorted(old)), tuple(sorted(said)), ()))
    ask(village, mallory, key, Lack(asked, tuple(sorted(old)), (), ()))
    assert mallory.reads(key) == ["Ruth: Now she is here."]
    assert not set(old) & set(mallory.core.dialogues[key].secrets)


def test_answers_to_one_member_are_bounded_and_begin_anew_each_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "LIMIT_ANSWERS", 2)
    village, key, (ruth, mallory) = gathered("Ruth", "Mallory")
    me = ruth.core.dialogues[key].me
    village.now += DAY // 2

    def answers() -> int:
        before = len(ruth.published)
        for _ in range(4):
            ask(village, mallory, key, Lack((me,)))
        return len(ruth.published) - before

    assert [answers(), answers()] == [2, 0]
    village.now += DAY
    assert answers() == 2


def test_who_is_not_in_is_not_answered() -> None:
    village, key, (ruth, omar, mallory) = gathered("Ruth", "Omar", "Mallory")
    me = ruth.core.dialogues[key].me
    mallory.ask(LeaveDialogue(key))
    village.settle()
    overlay, before = ruth.core.stage(), len(ruth.core.jobs)
    held = mallory.core.dialogues[key]
    parents, _, lamport = held.state.cite(CONTROL, held.session.actor)
    late = make(
        dialogue=key, room=CONTROL, kind=Kind.MARK, seq=held.state.next_seq(held.session.actor, CONTROL),
        parents=parents, control=(), lamport=lamport, tick=village.now // MINUTE, session_seed=held.session.seed,
        salt=bytes(16), body=Lack((me,)).encode(),
    )  # fmt: skip
    turn = Turn(village.now, village.dice.randbytes)
    here = overlay.own(key)
    here.accept(turn, late)
    assert late.id in here.state.noops
    answering.answer(overlay, turn, here, [late.id])
    assert len(overlay.jobs) == before
    assert omar.core.dialogues[key].standing.value == "in"


def test_much_is_told_in_portions_and_asked_for_again() -> None:
    village, key, (ruth, omar, ada) = gathered("Ruth", "Omar", "Ada")
    village.offline(ada)
    held = set(ada.archive)
    for n in range(30):
        ruth.say(key, f"{n} " + "x" * 8_000)
        village.settle()
    for one in (ruth, omar):
        one.archive = {frame: raw for frame, raw in one.archive.items() if frame in held}
    village.online(ada)
    ruth.say(key, "The last.")
    village.settle()
    assert len(ada.reads(key)) == 1
    assert lacking.events(ada.core.dialogues[key])
    village.wait(30 * MINUTE)
    assert len(ada.reads(key)) == 31
    assert ada.state_hash(key) == ruth.state_hash(key)


def test_portions_hold_so_many_bytes_and_so_many_events() -> None:
    village, key, (ruth, _omar) = gathered("Ruth", "Omar")
    ruth.say(key, "x" * 8_000)
    village.settle()
    held = ruth.core.dialogues[key]
    (large,) = (event for event in held.events.values() if event.header.room != CONTROL)
    small = next(event for event in held.events.values() if event.header.kind == Kind.MARK)
    groups = portions([large] * 9)
    assert [len(group) for group in groups] == [3, 3, 3]
    assert all(sum(len(to_item(event).encoded()) for event in group) <= LIMIT_PORTION + 9_000 for group in groups)
    assert [len(group) for group in portions([small.erased()] * (LIMIT_EVENTS + 1))][-1] < LIMIT_EVENTS


def test_what_hangs_on_nothing_makes_few_ask_few_and_nobody_answer() -> None:
    village, key, people = gathered("Ruth", *(f"Citizen {n}" for n in range(9)))
    *honest, mallory = people
    village.wait(DAY // 2)
    sent = [len(one.published) for one in honest]
    core = mallory.core.stage()
    turn = Turn(village.now, core.entropy)
    held = core.own(key)
    lost, seq = EventId(bytes(32)), held.state.next_seq(held.session.actor, CONTROL)
    dangling = make(
        dialogue=key, room=CONTROL, kind=Kind.ROSTER, seq=seq, parents=(lost,), control=(), lamport=99,
        tick=turn.minute, session_seed=held.session.seed, salt=bytes(16), body=Prekeys(()).encode(),
    )  # fmt: skip
    door = keyring.current_door(held)
    core.outbox.queue(turn, Entry(held.commons, Lane(LaneKind.OLD_DOOR, key, door), (to_item(dangling),)))
    mallory.commit(core, [*turn.effects, *core.settle(village.now)])
    village.settle()
    assert all(lacking.events(one.core.dialogues[key]) == {lost} for one in honest)
    village.wait(2 * 60 * MINUTE)
    published = [frame for one, before in zip(honest, sent, strict=True) for frame in one.published[before:]]
    large = [frame for frame in published if frame.frame_class is FrameClass.LARGE]
    assert len(large) == len(honest) * (len(asking.TURNS) + asking.TURNS[1][0]), "behind the door; to six; no answer"
    village.wait(DAY)
    assert all(one.core.dialogues[key].lost == {lost} for one in honest)


def test_who_does_not_know_the_present_door_is_answered_whatever_they_ask_for() -> None:
    village, key, (ruth, omar, ada) = gathered("Ruth", "Omar", "Ada")
    held = ruth.core.dialogues[key]
    before = held.state.epochs[keyring.current_door(held)].event
    asker = ada.core.dialogues[key]
    parents = held.events[before].header.parents
    question = make(
        dialogue=key, room=CONTROL, kind=Kind.MARK, seq=asker.state.next_seq(asker.session.actor, CONTROL),
        parents=parents, control=(), lamport=held.events[before].header.lamport, tick=village.now // MINUTE,
        session_seed=asker.session.seed, salt=bytes(16), body=Lack((held.me,), (), (EventId(bytes(32)),)).encode(),
    )  # fmt: skip
    core = ruth.core.stage()
    turn = Turn(village.now, core.entropy)
    here = core.own(key)
    here.accept(turn, question)
    assert question.id not in here.state.noops
    answering.answer(core, turn, here, [question.id])
    assert any(isinstance(job, answering.AnswerJob) for job in core.jobs.values())
    assert omar.core.dialogues[key].standing.value == "in"
