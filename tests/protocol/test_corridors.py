"""Stepping aside, with real keys on every core; and that nothing is left. Spec: docs/spec/corridor.md."""

import pytest
from village import MINUTE, Refused, Village

from tertulia.protocol import corridor as bytes_of
from tertulia.protocol import corridors, views_corridors
from tertulia.protocol.corridor import Agree, Begin, Decline, Said, Step, decode_aside
from tertulia.protocol.corridors import LIMIT_CORRIDORS, LIMIT_SAID, Stage
from tertulia.protocol.effects import Table
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import LocalError, RejectReason, RemoteError
from tertulia.protocol.inputs import AnswerCorridor, InCorridor, LeaveDialogue, OpenCorridor, RemoveMember
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.prekey import new_prekey
from tertulia.protocol.recogniser import OnCorridor
from tertulia.protocol.turn import Turn

NAME = bytes(range(32))
ONE, TWO = bytes([1]) * 32, bytes([2]) * 32


class House:
    def __init__(self) -> None:
        self.village = Village()
        names = ("Ruth", "Omar", "Selam", "Ada", "Bo")
        self.ruth, self.omar, self.selam, self.ada, self.bo = self.all = [self.village.citizen(name) for name in names]
        self.key = self.village.gather(self.ruth, *self.all[1:])

    def me(self, citizen):
        return citizen.core.dialogues[self.key].me

    def ask(self, who, *whom, minutes=30):
        answer = who.ask(OpenCorridor(self.key, tuple(self.me(one) for one in whom), minutes))
        self.village.settle()
        return bytes.fromhex(str(answer["corridor"]))

    def answer(self, who, name, agree=True):
        who.ask(AnswerCorridor(name, agree))
        self.village.settle()

    def open(self, who, *whom, minutes=30):
        name = self.ask(who, *whom, minutes=minutes)
        for one in whom:
            self.answer(one, name)
        return name

    def say(self, who, name, text):
        who.ask(InCorridor(name, text))
        self.village.settle()

    def reads(self, who):
        (row,) = views_corridors.corridors(who.core, self.key)
        return [f"{one['author']}: {one['text']}" for one in row["messages"]]


@pytest.fixture
def house():
    return House()


def vault(citizen) -> bytes:
    return b"".join(key + value for rows in citizen.rows.values() for key, value in rows.items())


def traces(citizen, name, *secrets) -> list[bytes]:
    return [found for found in (name, *secrets) if found in vault(citizen)]


def test_two_step_aside_and_leave_no_trace(house):
    before = house.ruth.state_hash(house.key)
    name = house.open(house.selam, house.ada)
    house.say(house.selam, name, "Not for the room.")
    house.say(house.ada, name, "No.")
    assert house.reads(house.selam) == house.reads(house.ada) == ["Selam: Not for the room.", "Ada: No."]
    inside = house.selam.core.corridors[name]
    secrets = (inside.secret, inside.key.hpke_seed, b"Not for the room.")
    assert traces(house.selam, name, *secrets) == [name, *secrets]
    for outside in (house.ruth, house.omar, house.bo):
        assert outside.core.corridors == {}
        assert traces(outside, name, *secrets) == []
    assert {one.state_hash(house.key) for one in house.all} == {before}  # nothing of it in any log
    house.ada.ask(InCorridor(name, None))
    house.village.settle()
    for one in (house.selam, house.ada):
        assert one.core.corridors == {}
        assert views_corridors.corridors(one.core, house.key) == ()
        assert traces(one, name, *secrets) == []
        assert one.rows[Table.CORRIDOR] == {}
        hits = [one.core.recogniser.recognise(house.village.commons.id, frame) for frame in one.archive.values()]
        assert not any(isinstance(hit.target, OnCorridor) for hit in hits if hit)
        assert not one.core.rejects
    with pytest.raises(Refused, match="no such corridor"):
        house.say(house.selam, name, "still there?")


def test_four_can_and_one_who_declines_ends_it_for_all(house):
    name = house.ask(house.ruth, house.omar, house.selam, house.ada)
    house.answer(house.omar, name)
    assert house.ruth.core.corridors[name].stage is Stage.WAITING
    with pytest.raises(Refused, match="not open"):
        house.say(house.omar, name, "hello?")
    house.answer(house.selam, name, agree=False)
    assert house.ruth.core.corridors == house.omar.core.corridors == house.selam.core.corridors == {}
    assert house.ada.core.corridors[name].stage is Stage.ASKED
    house.village.wait(31 * MINUTE)
    assert house.ada.core.corridors == {}
    name = house.open(house.ruth, house.omar, house.selam, house.ada)
    house.say(house.ada, name, "Four of us.")
    for one in (house.ruth, house.omar, house.selam, house.ada):
        assert house.reads(one) == ["Ada: Four of us."]
    assert house.bo.core.corridors == {}


def test_it_ends_by_its_time_also_offline_and_after_a_restart(house):
    name = house.open(house.selam, house.ada, minutes=10)
    house.say(house.selam, name, "Quickly.")
    house.ada.restart()
    assert house.reads(house.ada) == ["Selam: Quickly."]
    house.village.offline(house.ada)
    house.village.wait(11 * MINUTE)
    for one in (house.selam, house.ada):
        assert one.core.corridors == {}
        assert traces(one, name, b"Quickly.") == []


def test_who_goes_from_the_dialogue_ends_it(house):
    house.open(house.selam, house.ada)
    other = house.open(house.omar, house.bo)
    house.ruth.ask(RemoveMember(house.key, house.me(house.ada)))
    house.village.settle()
    assert house.selam.core.corridors == house.ada.core.corridors == {}
    assert other in house.omar.core.corridors
    house.omar.ask(LeaveDialogue(house.key))
    house.village.settle()
    assert house.omar.core.corridors == house.bo.core.corridors == {}


def test_what_waits_is_taken_back_by_who_asked(house):
    name = house.ask(house.selam, house.ada)
    house.answer(house.ada, name, agree=True)
    other = house.ask(house.selam, house.omar, house.ada)
    house.answer(house.omar, other)
    house.selam.ask(InCorridor(other, None))
    house.village.settle()
    assert list(house.omar.core.corridors) == []
    third = house.ask(house.bo, house.omar)
    house.bo.ask(InCorridor(third, None))  # nobody has answered: nobody can be told
    assert house.bo.core.corridors == {}


def test_who_was_asked_still_is_after_a_restart_and_may_decline(house):
    name = house.ask(house.selam, house.ada)
    for one in (house.ada, house.selam):
        one.restart()
        house.village.settle()
    assert house.ada.core.corridors[name].stage is Stage.ASKED
    house.answer(house.ada, name, agree=False)
    assert house.ada.core.corridors == house.selam.core.corridors == {}
    assert traces(house.ada, name) == traces(house.selam, name) == []


def test_what_cannot_be_a_corridor_is_refused(house):
    for people, minutes, why in (
        ([], 5, "two to four"), ([house.omar, house.selam, house.ada, house.bo], 5, "two to four"),
        ([house.omar], 0, "a day"), ([house.omar], 1441, "a day"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=why):
            house.ask(house.ruth, *people, minutes=minutes)
    with pytest.raises(Refused, match="not in the dialogue"):
        house.ruth.ask(OpenCorridor(house.key, (ONE,), 5))
    name = house.open(house.ruth, house.omar)
    with pytest.raises(Refused, match="answered that already"):
        house.answer(house.omar, name)
    for text in (" ", "x" * 2049):
        with pytest.raises(Refused, match="2048 bytes"):
            house.say(house.ruth, name, text)
    for _ in range(LIMIT_CORRIDORS - 1):
        house.ask(house.ruth, house.ada)
    with pytest.raises(Refused, match="too many"):
        house.ask(house.ruth, house.ada)
    assert len(house.ada.core.corridors) == corridors.LIMIT_ASKED


def test_somebody_without_a_living_key_cannot_be_asked(house):
    house.village.offline(house.ada)
    house.ada.locked = True
    house.village.wait(31 * 24 * 60 * MINUTE)
    with pytest.raises(Refused, match="away too long"):
        house.ask(house.ruth, house.ada)


def test_no_more_is_kept_than_fits(house):
    name = house.open(house.ruth, house.omar)
    from dataclasses import replace

    for one in (house.ruth, house.omar):
        full = tuple(Said(house.me(house.ruth), n, 1, "x") for n in range(1, LIMIT_SAID + 1))
        one.core.corridors[name] = replace(one.core.corridors[name], said=full)
    with pytest.raises(Refused, match="Nothing more fits"):
        house.say(house.ruth, name, "one more")
    house.ruth.core.corridors[name] = replace(house.ruth.core.corridors[name], said=())
    house.say(house.ruth, name, "one more")
    assert len(house.omar.core.corridors[name].said) == LIMIT_SAID


# -- bytes, and the hostile --------------------------------------------------------------------------------------------


def test_what_is_told_is_written_and_read_back():
    key = new_prekey(lambda size: bytes([7]) * size, 5, 1).public
    for words in (Step(NAME, (ONE, TWO), 9, key), Agree(NAME, key), Decline(NAME), Begin(NAME, ONE)):
        assert decode_aside(words.encode()) == words
    assert ONE.hex() not in repr(Begin(NAME, ONE))
    value = key.to_value()
    for bad in (
        [], [1], [5, NAME], [1, NAME, [ONE], 9, value], [1, NAME, [TWO, ONE], 9, value], [2, NAME], [3, NAME, 1],
        [4, NAME, b"short"], [1, b"short", [ONE, TWO], 9, value], [2, NAME, [bytes(32), *value[1:]]],
    ):  # fmt: skip
        with pytest.raises(RemoteError):
            decode_aside(encode(bad))
    for bad in (["x" * 2049], 5):
        with pytest.raises(RemoteError):
            Said.from_value([ONE, 1, 1, bad if bad == 5 else bad[0]])
    with pytest.raises(ValueError, match="low order"):
        Said(ONE, 1, 1, "x").mac(ONE, NAME, bytes(32), bytes(32), TWO)


def stage(citizen):
    core = citizen.core.stage()
    return core, Turn(citizen.village.now, core.entropy)


def test_words_that_are_not_their_authors_are_refused(house):
    name = house.open(house.ruth, house.omar, house.ada)
    core, turn = stage(house.omar)
    ada, omar = house.ada.core.dialogues[house.key], house.me(house.omar)
    theirs = core.dialogues[house.key].state.members[omar].keys.box
    forged = Said(house.me(house.ruth), 1, 1, "I never said this")
    mac = forged.mac(house.key, name, ada.persona.box_secret, theirs, omar)
    for item in (
        bytes_of.words_item(forged, [(omar, mac)]), bytes_of.words_item(forged, []),
        bytes_of.words_item(Said(ONE, 1, 1, "stranger"), [(omar, mac)]),
    ):  # fmt: skip
        with pytest.raises(RemoteError) as refused:
            corridors.take_words(core, turn, name, item)
        assert refused.value.reason is RejectReason.PROOF
    said = Said(house.me(house.ada), 1, 1, "mine")
    item = bytes_of.words_item(said, [(omar, said.mac(house.key, name, ada.persona.box_secret, theirs, omar))])
    for _ in range(2):
        corridors.take_words(core, turn, name, item)
    assert core.corridors[name].said == (said,)
    corridors.end(core, turn, name)
    corridors.take_words(core, turn, name, item)  # with something else in the same frame
    assert name not in core.corridors


def told(house, sender, to, words, key=None):
    """Hand something to a core as if it had come in the lane between the two."""
    from tertulia.protocol import hpke
    from tertulia.protocol.letter import letter

    dialogue, me = sender.core.dialogues[house.key], house.me(to)
    prekey = key or next(iter(to.core.dialogues[house.key].prekeys.values())).public
    context = bytes_of.aside_context(house.key, dialogue.me, me, prekey.id)
    request = letter(dialogue.persona.box_secret, prekey.box, prekey.hpke, bytes(24), context, words)
    return bytes_of.aside_item(dialogue.me, prekey.id, hpke.seal(request.public, request.info, request.plaintext))


def test_a_hostile_step_changes_nothing(house):
    core, turn = stage(house.omar)
    key = new_prekey(core.entropy, turn.minute, 1).public
    ruth, omar, ada = (house.me(one) for one in (house.ruth, house.omar, house.ada))
    pair, late = tuple(sorted((ruth, omar))), turn.minute + 9
    for step in (
        Step(NAME, tuple(sorted((ruth, ada))), late, key), Step(NAME, tuple(sorted((omar, ada))), late, key),
        Step(NAME, tuple(sorted((ruth, omar, ONE))), late, key), Step(NAME, pair, turn.minute, key),
        Step(NAME, pair, turn.minute + 2 * 1440 + 1, key),
    ):  # fmt: skip
        corridors.take_aside(core, turn, house.key, told(house, house.ruth, house.omar, step.encode()))
    for words in (Agree(NAME, key), Decline(NAME), Begin(NAME, ONE)):
        corridors.take_aside(core, turn, house.key, told(house, house.ruth, house.omar, words.encode()))
    assert core.corridors == {}
    good = told(house, house.ruth, house.omar, Step(NAME, pair, late, key).encode())
    with pytest.raises(RemoteError) as refused:
        corridors.take_aside(core, turn, house.key, Item(ItemType.ASIDE, [ada, *good.body[1:]]))
    assert refused.value.reason is RejectReason.SEAL
    corridors.take_aside(core, turn, house.key, Item(ItemType.ASIDE, [ONE, *good.body[1:]]))
    corridors.take_aside(core, turn, house.key, Item(ItemType.ASIDE, [ruth, ONE, good.body[2]]))
    assert core.corridors == {}
    corridors.take_aside(core, turn, house.key, good)
    assert core.corridors[NAME].stage is Stage.ASKED


def test_nobody_but_who_asked_opens_it_and_only_who_was_asked_comes(house):
    name = house.ask(house.ruth, house.omar, house.ada)
    house.answer(house.omar, name)
    core, turn = stage(house.omar)
    own = core.corridors[name].key.public
    for words in (Begin(name, ONE), Decline(name), Agree(name, own), Begin(NAME, ONE)):
        corridors.take_aside(core, turn, house.key, told(house, house.ada, house.omar, words.encode(), own))
    assert (core.corridors[name].stage, core.corridors[name].secret) == (Stage.WAITING, b"")
    core, turn = stage(house.ruth)
    mine = core.corridors[name].key.public
    for sender in (house.bo, house.omar):
        corridors.take_aside(core, turn, house.key, told(house, sender, house.ruth, Agree(name, own).encode(), mine))
    assert core.corridors[name].stage is Stage.WAITING
    house.answer(house.ada, name)
    core, turn = stage(house.omar)
    before = core.corridors[name]
    corridors.take_aside(core, turn, house.key, told(house, house.ruth, house.omar, Begin(name, ONE).encode(), own))
    assert core.corridors[name] == before


def test_a_corridor_is_found_by_its_id(house):
    name = house.ask(house.ruth, house.omar)
    assert views_corridors.resolve_corridor(house.omar.core, name.hex()[:8]) == name
    with pytest.raises(LocalError):
        views_corridors.resolve_corridor(house.omar.core, "ffff")
    assert views_corridors.resolve_corridor(house.omar.core, "") == name
    (row,) = views_corridors.corridors(house.omar.core)
    assert (row["state"], row["opener"], sorted(row["members"])) == ("asked", "Ruth", ["Omar", "Ruth"])


def test_parts_that_wait_go_too(house):
    name = house.open(house.ruth, house.omar)
    core, turn = stage(house.omar)
    from tertulia.protocol.frame import FrameClass
    from tertulia.protocol.item import split

    first = split(bytes_of.words_item(Said(house.me(house.ruth), 1, 1, "y" * 2000), []), FrameClass.SMALL)[0]
    core._item_or_reject(turn, OnCorridor(name), first)
    assert name in core.assemblies
    corridors.end(core, turn, name)
    assert name not in core.assemblies
    written = {effect.key for effect in turn.effects if getattr(effect, "table", None) is Table.PART}
    assert len(written) == 1
