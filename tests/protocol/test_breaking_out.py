"""Breakouts as people use them, with real keys on every core. Spec: docs/spec/core.md, keys.md, events.md (Room)."""

import pytest
from village import MINUTE, Refused, Village

from tertulia.protocol import views, views_acts, views_rooms
from tertulia.protocol.effects import Table
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import LocalError, RejectReason
from tertulia.protocol.event import to_item
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.ids import DialogueId, EventId, RoomId
from tertulia.protocol.inputs import (
    Facilitate,
    LeaveDialogue,
    NewDialogue,
    OpenBreakout,
    RemoveMember,
    SayText,
    SetRole,
    SignAct,
    Utter,
)
from tertulia.protocol.propose import Amendment, Proposal
from tertulia.protocol.recogniser import InDialogue
from tertulia.protocol.say import Say


class House:
    """Ruth has founded and facilitates; Omar, Selam, Ada and Bo are members."""

    def __init__(self, quorum: int = 1) -> None:
        self.village = Village()
        names = ("Ruth", "Omar", "Selam", "Ada", "Bo")
        self.ruth, self.omar, self.selam, self.ada, self.bo = self.all = [self.village.citizen(name) for name in names]
        answer = self.ruth.ask(NewDialogue("Tertulia", self.village.commons.id, "Ruth", quorum))
        self.village.settle()
        self.key = DialogueId(bytes.fromhex(str(answer["dialogue"])))
        invite = self.village.invite(self.ruth, self.key, uses=4)
        for guest in self.all[1:]:
            self.village.join(guest, invite)
        self.village.wait(5_000)

    def me(self, citizen):
        return citizen.core.dialogues[self.key].me

    def split(self, *citizens, by=None, minutes=0, title="Quotas"):
        people = tuple(self.me(one) for one in citizens)
        command = OpenBreakout(self.key, title, people, people[0], minutes)
        answer = (by or self.ruth).ask(command)
        self.village.settle()
        return RoomId(bytes.fromhex(str(answer["room"])))

    def say(self, citizen, text, room=None):
        found = citizen.ask(SayText(self.key, text, room))
        self.village.settle()
        return EventId(bytes.fromhex(str(found["id"])))

    def reads(self, citizen, room=None):
        rows = views.messages(citizen.core, self.key, apart=room)
        return [f"{row['author']}: {row['text']}" for _, row in rows]

    def rooms(self, citizen):
        return views_rooms.rooms(citizen.core, self.key, self.village.now)


@pytest.fixture
def house():
    return House()


def vault(citizen) -> bytes:
    """Everything in a citizen's vault, as bytes."""
    return b"".join(key + value for rows in citizen.rows.values() for key, value in rows.items())


def test_what_is_said_in_a_breakout_is_for_those_in_it(house):
    room = house.split(house.selam, house.ada)
    house.say(house.selam, "Between the two of us.", room)
    house.say(house.ada, "Yes.", room)
    house.say(house.omar, "Meanwhile, here.")
    both = ["Selam: Between the two of us.", "Ada: Yes."]
    assert house.reads(house.selam, room) == house.reads(house.ada, room) == both
    for one in house.all:
        assert house.reads(one) == ["Omar: Meanwhile, here."]
    epochs = {key for key, fact in house.ruth.core.dialogues[house.key].state.epochs.items() if fact.epoch.room == room}
    assert epochs
    for outside in (house.ruth, house.omar, house.bo):
        assert house.reads(outside, room) == []
        assert b"Between the two of us." not in vault(outside)
        held = outside.core.dialogues[house.key]
        assert held.secrets.keys().isdisjoint(epochs)
        assert not any(share.epoch in epochs for share in held.shares.values())
        assert held.state.rooms[room].log == ()
    assert len({one.state_hash(house.key) for one in house.all}) == 1
    assert not any(one.core.rejects for one in house.all)


def test_what_an_outsider_carries_opens_under_none_of_their_keys(house):
    room = house.split(house.selam, house.ada)
    before = set(house.bo.archive)
    house.say(house.selam, "Between the two of us.", room)
    fresh = [frame for key, frame in house.bo.archive.items() if key not in before]
    assert fresh
    assert all(house.bo.core.recogniser.recognise(house.village.commons.id, frame) is None for frame in fresh)
    hits = [house.ada.core.recogniser.recognise(house.village.commons.id, frame) for frame in fresh]
    assert {trial.target for trial in hits if trial} == {InDialogue(house.key, room)}


def test_a_breakout_waits_for_as_many_as_the_rules_ask_for():
    house = House(quorum=2)
    act = house.ruth.ask(SetRole(house.key, house.me(house.omar), True))
    house.village.settle()
    for one in house.all[1:]:
        if views_acts.acts(house.ruth.core, house.key)[-1]["state"] == "pending":
            one.ask(SignAct(house.key, EventId(bytes.fromhex(str(act["act"])))))
            house.village.settle()
    room = house.split(house.selam, house.ada)
    assert [row["title"] for row in house.rooms(house.selam)] == ["Tertulia"]
    row = views_acts.acts(house.omar.core, house.key)[-1]
    assert (row["kind"], row["state"], row["reason"]) == ("breakout", "pending", "")
    house.omar.ask(SignAct(house.key, EventId(room)))
    house.village.settle()
    assert [row["title"] for row in house.rooms(house.selam)] == ["Tertulia", "Quotas"]
    with pytest.raises(Refused, match="Only those who facilitate"):
        house.split(house.selam, house.ada, by=house.bo)


def test_what_cannot_be_a_room_is_refused(house):
    for people, by, title in (
        ([house.selam], house.ruth, "x"), ([house.selam, house.selam], house.ruth, "x"),
        ([house.selam, house.ada], house.ruth, " "), ([house.selam, house.ada], house.omar, "x"),
    ):  # fmt: skip
        with pytest.raises(Refused):
            house.split(*people, by=by, title=title)
    me = house.me
    with pytest.raises(Refused, match="reports back"):
        house.ruth.ask(OpenBreakout(house.key, "x", (me(house.ada), me(house.bo)), me(house.ruth)))
    with pytest.raises(Refused, match="60 days"):
        house.split(house.selam, house.ada, minutes=-1)
    house.ruth.ask(RemoveMember(house.key, me(house.bo)))
    with pytest.raises(Refused, match="who are in the dialogue"):
        house.ruth.ask(OpenBreakout(house.key, "x", (me(house.ada), me(house.bo)), me(house.ada)))


def test_no_more_rooms_than_there_may_be(house, monkeypatch):
    monkeypatch.setattr("tertulia.protocol.facilitating.LIMIT_BREAKOUTS", 1)
    house.split(house.selam, house.ada)
    with pytest.raises(Refused, match="has had 1 rooms"):
        house.split(house.selam, house.ada)


def test_who_may_speak_there_and_until_when(house):
    room = house.split(house.selam, house.ada, minutes=60)
    with pytest.raises(Refused, match="not in this room"):
        house.say(house.ruth, "I listen in", room)
    (_, row) = house.rooms(house.selam)
    assert (row["form"], row["rapporteur"]) == ("breakout", "Selam")
    assert row["members"] == sorted_names(house, "Selam", "Ada")
    assert (row["mine"], row["state"], row["closes"] > house.village.now) == (True, "open", True)
    assert not house.rooms(house.ruth)[1]["mine"]
    house.village.wait(61 * MINUTE)
    assert house.rooms(house.selam)[1]["state"] == "over"
    with pytest.raises(Refused, match="time of this room is over"):
        house.say(house.selam, "One more", room)
    other = house.split(house.selam, house.ada, title="Another")
    house.ruth.ask(Facilitate(house.key, Deed.CLOSE, "Thank you.", room=other))
    house.village.settle()
    with pytest.raises(Refused, match="closed"):
        house.say(house.selam, "One more", other)
    house.say(house.selam, "Back with you all.")
    assert house.reads(house.bo) == ["Selam: Back with you all."]


def sorted_names(house, *names):
    people = {house.me(one): one.name for one in house.all}
    return [people[key] for key in sorted(people) if people[key] in names]


def test_the_rapporteur_reports_back_and_cites_the_room(house):
    room = house.split(house.selam, house.ada)
    house.say(house.ada, "Let us say June.", room)
    report = Say("report", "We ask for fifty visits by June.", "", EventId(room))
    for other in (house.ada, house.ruth):
        with pytest.raises(Refused, match="only who said it"):
            other.ask(Utter(house.key, report))
    with pytest.raises(Refused, match="about nothing"):
        house.selam.ask(Utter(house.key, Say("report", "x", "", EventId(bytes(32)))))
    said = house.selam.ask(Utter(house.key, report))["id"]
    house.village.settle()
    for one in house.all:
        assert house.rooms(one)[1]["reports"] == [said]
        assert house.reads(one) == ["Selam: We ask for fifty visits by June."]
    assert house.ada.core.dialogues[house.key].matters.noops == {}


def test_the_method_goes_on_in_the_room_where_something_was_said(house):
    room = house.split(house.selam, house.ada)
    put = house.selam.ask(Utter(house.key, Proposal("Pilot", "Fifty visits"), room))
    house.village.settle()
    proposal = EventId(bytes.fromhex(str(put["id"])))
    amended = house.ada.ask(Utter(house.key, Amendment(proposal, "Sixty visits")))
    house.village.settle()
    held = house.selam.core.dialogues[house.key]
    assert held.matters.matters[EventId(bytes.fromhex(str(amended["id"])))].room == room
    said = house.say(house.ada, "Insulting.", room)
    house.ruth.ask(Facilitate(house.key, Deed.ROUND, "Once each.", minutes=5, room=room))
    house.ruth.ask(Facilitate(house.key, Deed.FOLD, "Not so.", said, room=room))
    house.village.settle()
    row = views.message(house.selam.core, said.hex())
    assert (row["folded"], row["members"], row["received"], row["waiting"]) == ("Not so.", 0, [], [])


def test_a_removal_rotates_the_keys_of_every_room(house):
    room = house.split(house.selam, house.ada, house.bo)
    house.say(house.selam, "All three.", room)
    before = {key for key, fact in house.ada.core.dialogues[house.key].state.epochs.items() if fact.epoch.room == room}
    house.ruth.ask(RemoveMember(house.key, house.me(house.bo)))
    house.village.settle()
    house.say(house.ada, "Now two.", room)
    assert house.reads(house.selam, room) == ["Selam: All three.", "Ada: Now two."]
    after = {key for key, fact in house.ada.core.dialogues[house.key].state.epochs.items() if fact.epoch.room == room}
    assert after > before
    gone = house.bo.core.dialogues[house.key]
    assert gone.secrets.keys().isdisjoint(after - before)
    assert b"Now two." not in vault(house.bo)
    house.selam.ask(LeaveDialogue(house.key))
    house.village.settle()
    last = house.say(house.ada, "Alone here.", room)
    assert views.message(house.ada.core, last.hex())["alone"]


def test_who_was_offline_finds_the_room_when_they_come_back(house):
    house.village.offline(house.ada)
    room = house.split(house.selam, house.ada)
    house.say(house.selam, "Join me when you can.", room)
    house.ada.restart()
    house.village.online(house.ada)
    house.village.wait(MINUTE)
    assert house.reads(house.ada, room) == ["Selam: Join me when you can."]
    house.ada.restart()
    house.village.settle()
    assert house.reads(house.ada, room) == ["Selam: Join me when you can."]
    house.say(house.ada, "Here I am.", room)
    assert house.reads(house.selam, room)[-1] == "Ada: Here I am."


def test_who_lacks_something_of_a_room_asks_those_in_it(house):
    room = house.split(house.selam, house.ada)
    village = house.village
    village.offline(house.ada)
    house.say(house.selam, "You will miss this.", room)
    lost = [key for key in house.selam.archive if key not in house.ada.archive]
    for one in house.all:  # it is gone from every archive before Ada is back
        for key in lost:
            one.archive.pop(key, None)
    village.online(house.ada)
    house.say(house.selam, "And this names it.", room)
    assert house.reads(house.ada, room) == ["Selam: And this names it."]
    village.wait(90 * MINUTE)
    assert house.reads(house.ada, room) == ["Selam: You will miss this.", "Selam: And this names it."]
    for outside in (house.ruth, house.omar, house.bo):
        assert b"You will miss this." not in vault(outside)


def test_what_was_said_in_a_room_is_taken_from_that_room_alone(house):
    room = house.split(house.selam, house.ada)
    said = house.say(house.selam, "Between us.", room)
    event = house.selam.core.dialogues[house.key].events[said]
    for_all = house.say(house.selam, "For all.")
    public = house.selam.core.dialogues[house.key].events[for_all]
    village = house.village
    core = house.bo.core.stage()
    from tertulia.protocol.turn import Turn

    turn = Turn(village.now, core.entropy)
    core._item_or_reject(turn, InDialogue(house.key), to_item(event))
    assert core.rejects[RejectReason.ID] == 1
    assert said not in core.dialogues[house.key].events
    inside = house.ada.core.stage()
    del inside.own(house.key).events[public.id]
    inside._item_or_reject(turn, InDialogue(house.key, room), to_item(public))
    assert (inside.rejects[RejectReason.ID], public.id in inside.dialogues[house.key].events) == (1, False)


def test_a_room_is_found_by_its_name(house):
    room = house.split(house.selam, house.ada)
    second = house.split(house.selam, house.bo)
    core = house.ada.core
    plenary = core.dialogues[house.key].plenary
    assert views_rooms.resolve_room(core, house.key, "Plenary") == plenary
    assert views_rooms.resolve_room(core, house.key, "quotas") == room  # the one she is in
    assert views_rooms.resolve_room(core, house.key, second.hex()[:8]) == second
    for unclear in ("nothing", "qu"):
        with pytest.raises(LocalError):
            views_rooms.resolve_room(core, house.key, unclear)
    with pytest.raises(LocalError):
        views_rooms.resolve_room(house.selam.core, house.key, "Quotas")


def test_what_waits_for_a_room_goes_there_after_a_restart(house):
    room = house.split(house.selam, house.ada)
    house.village.offline(house.selam)
    house.say(house.selam, "When I am back.", room)
    assert encode([1, house.key, room]) in b"".join(house.selam.rows[Table.OUTBOX].values())
    house.selam.restart()
    house.village.online(house.selam)
    assert house.reads(house.ada, room) == ["Selam: When I am back."]
    assert house.reads(house.bo) == []
