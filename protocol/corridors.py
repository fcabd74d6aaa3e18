"""Stepping aside: asking, agreeing, talking, and being done with no trace.

Implements docs/spec/corridor.md and core.md §5. A corridor is one vault row, with everything that was said in it; at
its end, by anybody in it or by its time, the row goes and all keys with it. What is being sealed for it is lost in a
crash and not begun again: who waits in vain asks anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from tertulia.protocol import corridor as bytes_of
from tertulia.protocol import keyring, parts
from tertulia.protocol.corridor import Agree, Aside, Begin, Decline, Said, Step
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.effects import SetTimer, Table, View
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.epoch import first_minute
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import DialogueId, PersonaId, PrekeyId
from tertulia.protocol.letter import letter, open_letter
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.prekey import Prekey, PrekeySecret, new_prekey
from tertulia.protocol.recogniser import OnCorridor
from tertulia.protocol.refusal import refuse
from tertulia.protocol.shape import as_bytes, as_int, as_list
from tertulia.protocol.text import clean
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.inputs import OpenCorridor
    from tertulia.protocol.item import Item
    from tertulia.protocol.turn import Turn

CORRIDOR_TIMER: Final = "corridor"
LIMIT_CORRIDORS: Final = 8
"""Corridors of one dialogue that one knows of at a time."""
LIMIT_ASKED: Final = 2
"""Of these, that one member has asked for and one has not answered."""
LIMIT_CORRIDOR_MINUTES: Final = 24 * 60
"""Minutes that a corridor lasts at most."""
LIMIT_SAID: Final = 256
"""Things said in one corridor that are kept."""
LIMIT_ROW: Final = 1 << 20
ID: Final = 32


class Stage(IntEnum):
    """How far a corridor has come, as I see it."""

    ASKED = 1
    WAITING = 2
    OPEN = 3


@dataclass(frozen=True, slots=True)
class Corridor:
    """`key` is mine for it (none before I agree), `keys` are others'; `secret` is empty until it is open."""

    id: bytes
    dialogue: DialogueId
    opener: PersonaId
    members: tuple[PersonaId, ...]
    closes: int
    stage: Stage
    key: PrekeySecret | None = field(default=None, repr=False)
    keys: Mapping[PersonaId, Prekey] = field(default_factory=dict, repr=False)
    secret: bytes = field(default=b"", repr=False)
    said: tuple[Said, ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        """Its vault row."""
        mine: Value = None
        if self.key is not None:
            mine = [self.key.box_secret, self.key.hpke_seed, self.key.born, self.key.retention_days]
        keys: list[Value] = [[persona, key.to_value()] for persona, key in self.keys.items()]
        said: list[Value] = [one.to_value() for one in self.said]
        head: list[Value] = [self.dialogue, self.opener, self.members, self.closes, int(self.stage)]
        return encode([*head, mine, keys, self.secret, said])


@dataclass(frozen=True, slots=True)
class AsideJob:
    """Sealing what these members are told, each to a key of theirs."""

    dialogue: DialogueId
    to: tuple[tuple[PersonaId, PrekeyId], ...]


def load(rows: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Corridor]:
    """Raises: RemoteError when a row is not one of ours."""
    found = {}
    for name, row in rows:
        dialogue, opener, members, closes, stage, mine, keys, secret, said = as_list(decode(row, LIMIT_ROW), 9)
        key = None
        if mine is not None:
            box, hpke, born, days = as_list(mine, 4)
            key = PrekeySecret(as_bytes(box), as_bytes(hpke), as_int(born, 0, 1 << 40), as_int(days, 1, 365))
        found[name] = Corridor(
            name,
            DialogueId(as_bytes(dialogue)),
            PersonaId(as_bytes(opener)),
            tuple(PersonaId(as_bytes(one)) for one in as_list(members)),
            as_int(closes, 0, 1 << 40),
            Stage(as_int(stage, 1, 3)),
            key,
            {PersonaId(as_bytes(who)): Prekey.from_value(one) for who, one in (as_list(e, 2) for e in as_list(keys))},
            as_bytes(secret),
            tuple(Said.from_value(one) for one in as_list(said)),
        )
    return found


# -- what a person asks for --------------------------------------------------------------------------------------------


def step_aside(core: Core, turn: Turn, dialogue: Dialogue, command: OpenCorridor) -> dict[str, Value]:
    """Ask people aside. Raises: LocalError when it cannot be."""
    members = tuple(sorted({*command.members, dialogue.me}))
    if not bytes_of.LEAST <= len(members) <= bytes_of.LIMIT_CORRIDOR_MEMBERS:
        raise refuse("A corridor is for two to four people.", "Ask one, two or three others.")
    if not dialogue.state.roster.issuperset(members):
        raise refuse("This person is not in the dialogue.", "List the people to see who is.")
    if not 1 <= command.minutes <= LIMIT_CORRIDOR_MINUTES:
        raise refuse("A corridor lasts from a minute to a day.", "Say for how long, such as 30m.")
    if len(_of(core, dialogue.id)) >= LIMIT_CORRIDORS:
        raise refuse("There are too many corridors already.", "Leave one of them.")
    keys = {one: keyring.live_prekey(dialogue, one, turn.minute) for one in members if one != dialogue.me}
    live = {one: key for one, key in keys.items() if key is not None}
    if len(live) < len(keys):
        raise refuse("Somebody you ask has been away too long for a key of theirs.", "Ask when they are back.")
    made = new_prekey(turn.entropy, turn.minute, 1)
    found = Corridor(
        turn.entropy(ID), dialogue.id, dialogue.me, members, turn.minute + command.minutes, Stage.WAITING, made
    )
    _keep(core, turn, found)
    _tell(core, turn, dialogue, live, Step(found.id, members, found.closes, made.public))
    return {"corridor": found.id.hex(), "state": "waiting"}


def answer(core: Core, turn: Turn, found: Corridor, *, agree: bool) -> dict[str, Value]:
    """Come along, or not. Raises: LocalError when nobody asks."""
    if found.stage is not Stage.ASKED:
        raise refuse("You have answered that already.", "List your corridors to see how they stand.")
    dialogue = core.own(found.dialogue)
    if not agree:
        _tell(core, turn, dialogue, found.keys, Decline(found.id))
        end(core, turn, found.id)
        return {"corridor": found.id.hex(), "state": "over"}
    made = new_prekey(turn.entropy, turn.minute, 1)
    _keep(core, turn, replace(found, key=made, stage=Stage.WAITING))
    _tell(core, turn, dialogue, found.keys, Agree(found.id, made.public))
    return {"corridor": found.id.hex(), "state": "waiting"}


def speak(core: Core, turn: Turn, found: Corridor, text: str) -> dict[str, Value]:
    """Say something there. Raises: LocalError when it is not open, or too long."""
    words = clean(text, bytes_of.LIMIT_CORRIDOR_TEXT + 1).strip()
    if found.stage is not Stage.OPEN:
        raise refuse("This corridor is not open: not everybody has agreed.", "Wait for them.")
    if not words or len(words.encode()) > bytes_of.LIMIT_CORRIDOR_TEXT:
        most = bytes_of.LIMIT_CORRIDOR_TEXT
        raise refuse(f"In a corridor one says something of at most {most} bytes at a time.", "Split it.")
    if len(found.said) >= LIMIT_SAID:
        raise refuse("Nothing more fits this corridor.", "Close it, and open another one.")
    said = _utter(core, turn, found, words)
    _keep(core, turn, replace(found, said=(*found.said, said)))
    return {"corridor": found.id.hex(), "state": "stored"}


def leave(core: Core, turn: Turn, found: Corridor) -> dict[str, Value]:
    """End it for everybody in it: on each honest device nothing is left."""
    if found.stage is Stage.OPEN:
        _utter(core, turn, found, None)
    elif found.keys:
        _tell(core, turn, core.own(found.dialogue), found.keys, Decline(found.id))
    end(core, turn, found.id)
    return {"corridor": found.id.hex(), "state": "over"}


def _utter(core: Core, turn: Turn, found: Corridor, text: str | None) -> Said:
    """Seal it at once: what waits unsealed would be one more trace."""
    dialogue = core.dialogues[found.dialogue]
    number = 1 + max((one.number for one in found.said if one.author == dialogue.me), default=0)
    said = Said(dialogue.me, number, turn.minute, text)
    secret, members = dialogue.persona.box_secret, dialogue.state.members
    others = [one for one in found.members if one != dialogue.me]
    macs = [(one, said.mac(found.dialogue, found.id, secret, members[one].keys.box, one)) for one in others]
    keys, commons = bytes_of.corridor_keys(found.secret), core.commons[dialogue.commons]
    item = bytes_of.words_item(said, macs)
    core.outbox.send(turn, commons, keys, dialogue.state.frame_class, found.dialogue, item)
    return said


# -- what others tell --------------------------------------------------------------------------------------------------


def take_aside(core: Core, turn: Turn, key: DialogueId, item: Item) -> None:
    """Somebody tells me something about a corridor.

    Raises: RemoteError when it does not open, or is malformed.
    """
    sender, name, sealed = bytes_of.read_aside(item)
    dialogue = core.dialogues[key]
    own = next((one for one in _of(core, key) if one.key is not None and one.key.public.id == name), None)
    secret = dialogue.prekeys.get(name) if own is None else own.key
    if secret is None or sender not in dialogue.state.roster:
        return
    theirs = dialogue.state.members[sender].keys
    context = bytes_of.aside_context(key, sender, dialogue.me, name)
    words = open_letter(secret.box_secret, secret.hpke_seed, theirs.box, context, sealed)
    if words is None:
        raise RemoteError(RejectReason.SEAL, "aside")
    told = bytes_of.decode_aside(words)
    if isinstance(told, Step):
        _asked(core, turn, dialogue, sender, told)
    elif own is not None and own.id == told.corridor and sender in own.members:
        _heard(core, turn, own, sender, told)


def _asked(core: Core, turn: Turn, dialogue: Dialogue, sender: PersonaId, step: Step) -> None:
    """Somebody asks me aside; more than may wait are not heard."""
    known = _of(core, dialogue.id)
    theirs = [one for one in known if one.opener == sender and one.stage is Stage.ASKED]
    fits = {sender, dialogue.me} <= set(step.members) <= dialogue.state.roster and sender != dialogue.me
    in_time = turn.minute < step.closes <= turn.minute + 2 * LIMIT_CORRIDOR_MINUTES
    room = len(known) < LIMIT_CORRIDORS and len(theirs) < LIMIT_ASKED and step.corridor not in core.corridors
    if fits and in_time and room:
        keys = {sender: step.key}
        place = step.corridor, dialogue.id, sender, step.members, step.closes
        _keep(core, turn, Corridor(*place, Stage.ASKED, keys=keys))


def _heard(core: Core, turn: Turn, found: Corridor, sender: PersonaId, told: Aside) -> None:
    """Of a corridor that I wait for."""
    dialogue = core.own(found.dialogue)
    if found.stage is not Stage.WAITING:
        return
    match told:
        case Decline() if found.opener in {sender, dialogue.me}:
            if found.opener == dialogue.me:
                others = {one: key for one, key in found.keys.items() if one != sender}
                _tell(core, turn, dialogue, others, Decline(found.id))
            end(core, turn, found.id)
        case Agree() if found.opener == dialogue.me and sender not in found.keys:
            found = replace(found, keys={**found.keys, sender: told.key})
            if len(found.keys) == len(found.members) - 1:
                found = replace(found, stage=Stage.OPEN, secret=turn.entropy(ID))
                _tell(core, turn, dialogue, found.keys, Begin(found.id, found.secret))
            _keep(core, turn, found)
            core.keys_changed()
        case Begin() if found.opener == sender:
            _keep(core, turn, replace(found, stage=Stage.OPEN, secret=told.secret))
            core.rescan(turn, dialogue.commons, first_minute(turn.minute))
        case _:
            pass


def take_words(core: Core, turn: Turn, name: bytes, item: Item) -> None:
    """Something is said in a corridor of mine.

    Raises: RemoteError when it is malformed, or not by who it says.
    """
    found = core.corridors.get(name)
    if found is None:  # it ended with something else in the same frame
        return
    dialogue = core.dialogues[found.dialogue]
    members = {one: dialogue.state.members[one].keys for one in found.members if one in dialogue.state.members}
    said = bytes_of.read_words(item, found.dialogue, name, dialogue.me, dialogue.persona.box_secret, members)
    if said.text is None:
        end(core, turn, name)
    elif len(found.said) < LIMIT_SAID and (said.author, said.number) not in {(o.author, o.number) for o in found.said}:
        _keep(core, turn, replace(found, said=(*found.said, said)))


# -- its end -----------------------------------------------------------------------------------------------------------


def end(core: Core, turn: Turn, name: bytes) -> None:
    """Nothing of it is left here: no key, no word, no name."""
    parts.forget(core.assemblies, turn, parts.lane(OnCorridor(name)))
    found = core.corridors.pop(name)
    turn.erase(Table.CORRIDOR, name)
    core.keys_changed()
    turn.changed(View.PEOPLE, found.dialogue)
    turn.changed(View.MESSAGES, found.dialogue)


def look(core: Core, turn: Turn) -> None:
    """End what is past its time, and what somebody left the dialogue of; also while the clock is in doubt."""
    for found in tuple(core.corridors.values()):
        dialogue = core.dialogues[found.dialogue]
        gone = dialogue.standing is not Standing.IN or not dialogue.state.roster.issuperset(found.members)
        if gone or found.closes <= turn.minute:
            end(core, turn, found.id)


def resume(core: Core, turn: Turn) -> None:
    """Set the timers again after a start."""
    for found in core.corridors.values():
        _set_timer(turn, found)


def _keep(core: Core, turn: Turn, found: Corridor) -> None:
    core.corridors[found.id] = found
    turn.put(Table.CORRIDOR, found.id, found.encode())
    turn.changed(View.PEOPLE, found.dialogue)
    turn.changed(View.MESSAGES, found.dialogue)
    _set_timer(turn, found)


def _set_timer(turn: Turn, found: Corridor) -> None:
    turn.emit(SetTimer(f"{CORRIDOR_TIMER}:{found.id.hex()}", found.closes * MS_PER_MINUTE))


def _of(core: Core, dialogue: DialogueId) -> list[Corridor]:
    return [one for one in core.corridors.values() if one.dialogue == dialogue]


def _tell(core: Core, turn: Turn, dialogue: Dialogue, to: Mapping[PersonaId, Prekey], words: Aside) -> None:
    """Have it sealed to each, deniably; nothing where there is nobody."""
    said = words.encode()
    requests = tuple(
        letter(
            dialogue.persona.box_secret,
            key.box,
            key.hpke,
            turn.entropy(keyring.NONCE_BYTES),
            bytes_of.aside_context(dialogue.id, dialogue.me, persona, key.id),
            said,
        )
        for persona, key in to.items()
    )
    if requests:
        core.seal(turn, AsideJob(dialogue.id, tuple((persona, key.id) for persona, key in to.items())), requests)


def told(core: Core, turn: Turn, job: AsideJob, boxes: tuple[bytes, ...]) -> None:
    """It is sealed: it goes out in the lane to each."""
    dialogue = core.dialogues[job.dialogue]
    for (persona, key), box in zip(job.to, boxes, strict=True):
        item = bytes_of.aside_item(dialogue.me, key, box)
        core.outbox.queue(turn, Entry(dialogue.commons, Lane(LaneKind.PAIR, dialogue.id, persona), (item,)))
