"""The record of a sealed outcome and the file for strangers. Spec: docs/spec/outcome.md, vectors: make_outcome.py."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from village import Refused, house

from tertulia.protocol import concluding, views_outcomes
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.crypto import sign
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import LocalError, RejectReason, RemoteError
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.ids import EventId
from tertulia.protocol.inputs import Endorse, Facilitate, SignAct, Utter
from tertulia.protocol.labels import Label
from tertulia.protocol.on_record import OnRecord, Place, put_on_record, words_hash
from tertulia.protocol.outcome import Answer, Attach, Conclusion, Minority
from tertulia.protocol.outcome_record import LIMIT_PUBLISHED, MAGIC, Record, publish, read_published
from tertulia.protocol.propose import Action, Amendment, Proposal
from tertulia.protocol.revise import Withdraw
from tertulia.protocol.say import Form, Say
from tertulia.protocol.stance import Stance, Value

TOLD = json.loads((Path(__file__).parents[1] / "vectors" / "outcome.json").read_text("utf-8"))
WORDS = {name: bytes.fromhex(value) for name, value in TOLD["words"].items()}
PLACE = Place(WORDS["dialogue"], WORDS["room"], WORDS["charter_hash"], WORDS["hash"])


def test_the_hash_of_the_words():
    assert words_hash(WORDS["dialogue"], WORDS["charter_hash"], WORDS["body"]) == WORDS["hash"]


@pytest.mark.parametrize("told", TOLD["on_record"], ids=lambda told: told["value"])
def test_on_the_record(told):
    said = told["value"], told["reason"]
    made = put_on_record(
        bytes.fromhex(told["seed"]), PLACE, bytes.fromhex(told["act"]), told["counter"], *said, told["name"]
    )
    assert made.signature.hex() == told["signature"]
    assert OnRecord.from_value(made.to_value()) == made
    assert made.is_by(bytes.fromhex(told["key"]), PLACE, *said)
    assert not made.is_by(bytes.fromhex(told["key"]), PLACE, told["value"], "another reason")
    assert told["name"] not in repr(made)


def test_the_record_and_its_seals():
    data = bytes.fromhex(TOLD["record"])
    record = Record.decode(data)
    assert record.encode() == data
    assert record.place == PLACE
    assert [(one.what, one.counts, one.owner) for one in record.cited] == [
        ("amendment", (9, 2, 1, 0), ""), ("action", (0, 0, 0, 0), "Selam, for the youth of Aldea"),
    ]  # fmt: skip
    for told in TOLD["seals"]:
        assert sign(bytes.fromhex(told["seed"]), Label.OUTCOME_RECORD, data).hex() == told["seal"]


@pytest.mark.parametrize("told", TOLD["files"], ids=lambda told: told["name"])
def test_file(told):
    data = bytes.fromhex(told["file"])
    if told["is"] == "ok":
        found = read_published(data)
        assert publish(found.record, dict(found.seals), None) == data
        assert not found.is_anchored
        return
    with pytest.raises(RemoteError) as refused:
        read_published(data)
    assert refused.value.reason == told["is"]


def test_what_is_too_large_is_not_decoded():
    with pytest.raises(RemoteError) as refused:
        read_published(MAGIC + bytes(LIMIT_PUBLISHED))
    assert refused.value.reason is RejectReason.SIZE


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_a_file_that_was_altered_anywhere_is_refused(noise, place):
    data = bytes.fromhex(TOLD["files"][0]["file"])
    at = place % len(data)
    altered = data[:at] + noise + data[at + len(noise) :]
    if altered == data:
        return
    with pytest.raises(RemoteError):
        read_published(altered)


def test_what_a_record_must_be():
    fields = decode(bytes.fromhex(TOLD["record"]), 10_000)
    for place, value in ((6, encode(["minority", bytes(32), "No", ""])), (6, b"\x80"), (1, b"short"), (11, 5)):
        with pytest.raises(RemoteError):
            Record.decode(encode([*fields[:place], value, *fields[place + 1 :]]))
    with pytest.raises(RemoteError):
        Record.decode(encode([]))
    with pytest.raises(RemoteError):
        OnRecord.from_value([bytes(16), 1, " ", bytes(64)])


# -- from a dialogue ---------------------------------------------------------------------------------------------------


class Sealed:
    """Ruth and Omar have sealed what Ada endorsed on the record, with an objection and a minority statement."""

    def __init__(self, quorum=2):
        self.village, self.key, self.ruth, self.omar, self.ada = house(quorum)
        me = self.ada.core.dialogues[self.key].me
        self.pilot = self.utter(self.ruth, Proposal("Pilot", "Fifty"))
        self.sixty = self.utter(self.ruth, Amendment(self.pilot, "Sixty"))
        self.write = self.utter(self.ruth, Action("Write", "", "", me, 60, 90))
        self.against = self.utter(self.ada, Stance(self.sixty, Value.DISAGREE, "June is too soon"))
        self.agree(Deed.CUT)
        said = self.utter(self.ruth, Say(Form.STATEMENT, "Visas take too long."))
        cited = tuple(sorted((self.pilot, self.write, said)))
        self.outcome = self.utter(self.ruth, Conclusion(True, "What we agreed", "Sixty visits.", "en", cited))
        self.utter(self.omar, Answer(self.against, "July, then."))
        self.utter(self.omar, Withdraw(self.utter(self.omar, Answer(self.against, "Nonsense.")), 1))
        self.utter(self.ada, Attach(self.outcome, self.against))
        self.utter(self.omar, Minority(self.outcome, "Some would have waited."))
        self.utter(self.ada, Say(Form.TRANSLATION, "Soixante visites.", "fr", self.outcome))
        wrong = self.utter(self.ada, Say(Form.TRANSLATION, "Six visites.", "fr", self.outcome))
        self.utter(self.omar, Stance(wrong, Value.DISPUTED, "Sixty"))
        self.utter(self.omar, Stance(self.outcome, Value.ENDORSE))
        self.ask(self.ada, Endorse(self.key, self.outcome, Value.ENDORSE, "", "Ada of Aldea"))

    def ask(self, who, command):
        answer = who.ask(command)
        self.village.settle()
        return answer

    def utter(self, who, words):
        return EventId(bytes.fromhex(str(self.ask(who, Utter(self.key, words))["id"])))

    def agree(self, deed, subject=b""):
        answer = self.ask(self.ruth, Facilitate(self.key, deed, "We agree.", subject))
        if answer["state"] == "pending":
            answer = self.ask(self.omar, SignAct(self.key, EventId(bytes.fromhex(str(answer["act"])))))
        return answer

    def export(self, who, rules=False):
        return concluding.export(who.core, self.key, self.outcome, rules=rules)


def test_a_stranger_checks_what_members_export_and_all_export_the_same():
    room = Sealed()
    with pytest.raises(LocalError, match="not sealed"):
        room.export(room.ada)
    room.agree(Deed.SEAL, room.outcome)
    files = {room.export(who) for who in (room.ruth, room.omar, room.ada)}
    assert len(files) == 1
    found = read_published(files.pop())
    record = found.record
    assert (record.dialogue, record.quorum, len(found.seals)) == (room.key, 2, 2)
    assert (record.conclusion.text, record.preset, record.binding) == ("Sixty visits.", "conversation", False)
    cited = {(one.what, one.title, one.text, one.counted, one.counts, one.owner, one.deadline) for one in record.cited}
    assert cited == {
        ("amendment", "Pilot", "Sixty", True, (0, 1, 0, 0), "", 0),
        ("action", "Write", "", True, (0, 0, 0, 0), "Ada of Aldea", 60),
        ("statement", "", "Visas take too long.", False, (0, 0, 0, 0), "", 0),
    }
    assert [(one.value, one.reason, one.answers) for one in record.dissent] == [
        ("disagree", "June is too soon", ("July, then.",))
    ]
    assert [one.text for one in record.minorities] == ["Some would have waited."]
    assert [(one.lang, one.text) for one in record.translations] == [("fr", "Soixante visites.")]
    assert [(one.on_record.name, one.value) for one in record.signed] == [("Ada of Aldea", "endorse")]


def test_nobody_is_in_the_file_but_who_chose_to_be():
    room = Sealed()
    room.agree(Deed.SEAL, room.outcome)
    data = room.export(room.ruth)
    for who in (room.ruth, room.omar, room.ada):
        dialogue = who.core.dialogues[room.key]
        for secret in (dialogue.me, dialogue.persona.keys.box, dialogue.session.actor, who.name.encode()):
            assert secret not in data.replace(b"Ada of Aldea", b"")
    assert room.ada.core.dialogues[room.key].persona.keys.sign in data


def test_the_rules_show_that_the_founder_sealed_it():
    room = Sealed()
    room.agree(Deed.SEAL, room.outcome)
    data = room.export(room.ada, rules=True)
    found = read_published(data)
    assert found.is_anchored
    raw, seals, body = decode(data[len(MAGIC) :], LIMIT_PUBLISHED)
    other = room.village.found(room.omar)
    strange = room.omar.core.dialogues[other].state.charter_body
    with pytest.raises(RemoteError) as refused:
        read_published(MAGIC + encode([raw, seals, strange]))
    assert refused.value.reason is RejectReason.ID
    # A record that says other rules than the charter, sealed by whoever likes to.
    record = Record.decode(raw)
    fields = decode(raw, 100_000)
    lie = encode([*fields[:4], [record.preset, record.quorum, True, True, True], *fields[5:]])
    keys = [who.core.dialogues[room.key].persona for who in (room.ruth, room.omar)]
    forged = sorted([one.keys.sign, sign(one.sign_seed, Label.OUTCOME_RECORD, lie)] for one in keys)
    with pytest.raises(RemoteError) as refused:
        read_published(MAGIC + encode([lie, forged, body]))
    assert refused.value.reason is RejectReason.ID
    assert read_published(MAGIC + encode([lie, forged, None])).record.binding


def test_an_outcome_without_enough_signatures_or_of_which_something_is_missing_is_not_exported(monkeypatch):
    room = Sealed()
    with monkeypatch.context() as patched:
        patched.setattr(concluding, "to_cosign", lambda *_: b"")
        room.agree(Deed.SEAL, room.outcome)
    with pytest.raises(LocalError, match="Fewer have signed"):
        room.export(room.ada)
    dialogue = room.ada.core.dialogues[room.key]
    del dialogue.events[room.against]
    dialogue._fold_anew()
    with pytest.raises(LocalError, match="Not all that this outcome counts"):
        room.export(room.ada)
    (row,) = views_outcomes.outcomes(room.ada.core, room.key)
    assert (row["state"], row["provisional"]) == ("incomplete", True)


def test_an_outcome_too_long_to_publish_is_not_sealed(monkeypatch):
    room = Sealed(quorum=1)
    monkeypatch.setattr(concluding, "LIMIT_RECORD", 100)
    with pytest.raises(Refused, match="too long to publish"):
        room.agree(Deed.SEAL, room.outcome)


def test_dissent_whose_author_changed_their_mind_does_not_go_along():
    room = Sealed(quorum=1)
    later = room.utter(room.ruth, Conclusion(False, "A note", "Sixty.", "", (room.write,)))
    reserved = room.utter(room.ada, Stance(later, Value.RESERVE, "Not yet"))
    room.utter(room.ada, Attach(later, reserved))
    room.utter(room.ada, Stance(later, Value.PASS))
    room.agree(Deed.SEAL, later)
    assert read_published(concluding.export(room.ada.core, room.key, later, rules=False)).record.dissent == ()
    assert isinstance(room.ada.core.dialogues[room.key].checkpoint, Checkpoint)
