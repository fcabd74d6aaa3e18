"""What clients see: the rows of every view, as pure functions of the core.

Implements docs/spec/control.md (rows). A row holds words, numbers and hex ids, never a secret. Peers' text has passed
`text.clean` or `clean_name` on its way in here, so no client ever holds it raw.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from tertulia.protocol import delivery, inviting, joining, lacking
from tertulia.protocol.charter_words import WATERMARK, card, shown_title
from tertulia.protocol.dialogue import Standing
from tertulia.protocol.event import Kind
from tertulia.protocol.facilitation import LIMIT_REASON
from tertulia.protocol.ids import EventId
from tertulia.protocol.invite import FAULTS, Fault
from tertulia.protocol.knock import short_code
from tertulia.protocol.outbox import LaneKind
from tertulia.protocol.persona import persona_id
from tertulia.protocol.refusal import refuse
from tertulia.protocol.say import LIMIT_SAY_TEXT, Say
from tertulia.protocol.state import Status
from tertulia.protocol.steering import folded
from tertulia.protocol.stewarding import relay_names
from tertulia.protocol.text import clean, clean_name, is_confusable
from tertulia.protocol.turn import MS_PER_MINUTE
from tertulia.protocol.views_contacts import identity
from tertulia.protocol.views_history import revised

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.errors import LocalError
    from tertulia.protocol.event import Event
    from tertulia.protocol.ids import DialogueId, PersonaId, RoomId
    from tertulia.protocol.method.matters import Matter
    from tertulia.protocol.seat import Order
    from tertulia.protocol.state import Entry, State
    from tertulia.protocol.timekeeping import Timekeeping

Row = dict[str, "Value"]
MessageOrder = tuple[int, str]
"""The place of a message: its lamport, and its id in hex."""
Names = Mapping["PersonaId", str]

GRADE: Final = "off the record"
LATE_MS: Final = 10 * MS_PER_MINUTE
"""An event that arrived this long after the time it claims is badged late."""
ENDS_LIKE_AN_ID: Final = re.compile(r"\b[0-9a-f]{8}$", re.IGNORECASE)
"""A name that could be taken for somebody else's with the start of their id."""
PREFIX: Final = 4
"""Characters of a hex id that are enough to name it, when no other begins with them."""


def dialogues(core: Core) -> tuple[Row, ...]:
    """One row a dialogue: newest first by what was last said."""
    return tuple(_dialogue(core, dialogue) for dialogue in core.dialogues.values())


def _dialogue(core: Core, dialogue: Dialogue) -> Row:
    log = dialogue.state.rooms[dialogue.plenary].log
    last = next((entry for entry in reversed(log) if is_message(dialogue, entry)), None)
    member = dialogue.member
    commons, charter = core.commons[dialogue.commons], dialogue.state.charter
    return {
        "dialogue": dialogue.id.hex(),
        "title": _title(dialogue),
        "commons": clean_name(commons.name),
        "people": len(dialogue.state.roster),
        "unread": _unread(dialogue, log),
        "last": 0 if last is None else dialogue.events[last.event].header.tick * MS_PER_MINUTE,
        "me": "" if member is None else clean_name(member.nickname),
        "state": dialogue.standing.value,
        "missing": len(lacking.events(dialogue)),
        "lost": len(lacking.lost(dialogue)),
        "charter": "" if charter is None else charter.preset,
        "simulation": is_simulation(dialogue.state),
        "accepted": member is not None and member.accepted,
    }


def _title(dialogue: Dialogue) -> str:
    return shown_title(dialogue.state.charter)


def is_simulation(state: State) -> bool:
    """Whether all of a dialogue is an exercise."""
    return state.charter is not None and state.charter.terms.simulation


def charter(core: Core, key: DialogueId) -> Row:
    """The rules of a dialogue in words, a sentence or two a line, and its guidelines; who I am to it."""
    dialogue = core.dialogues[key]
    rules, member = dialogue.state.charter, dialogue.member
    return {
        "dialogue": key.hex(),
        "title": _title(dialogue),
        "charter": "" if rules is None else rules.preset,
        "rules": [] if rules is None else list(card(rules)),
        "guidelines": "" if rules is None else rules.terms.guidelines,
        "accepted": member is not None and member.accepted,
        "simulation": is_simulation(dialogue.state),
    }


def _unread(dialogue: Dialogue, log: tuple[Entry, ...]) -> int:
    """How much of a log came after I last looked; what was counted already is not counted again."""
    before, seen, count = dialogue.counted
    if seen != dialogue.seen or log[: len(before)] != before:
        before, count = (), 0
    count += sum(
        is_message(dialogue, entry) and entry.author != dialogue.me and dialogue.arrivals[entry.event] > dialogue.seen
        for entry in log[len(before) :]
    )
    dialogue.counted = (log, dialogue.seen, count)
    return count


def messages(
    core: Core,
    key: DialogueId,
    last: int | None = None,
    since: MessageOrder | None = None,
    apart: RoomId | None = None,
) -> tuple[tuple[MessageOrder, Row], ...]:
    """The plenary, or the breakout that is named, in its shown order: ((lamport, id), row).

    Only the last so many, or from one on, when said.

    Costs what is asked for, not what is held.
    """
    dialogue = core.dialogues[key]
    first = None if since is None else (since[0], EventId(bytes.fromhex(since[1])))
    shown: dict[EventId, tuple[Entry, State]] = {}
    for state in dialogue.chapters:
        rooms = (room for room in state.rooms.values() if (room.id if room.breakout else None) == apart)
        for room in rooms:
            tail = _tail(dialogue, room.log, last, first)
            shown.update((entry.event, (entry, state)) for entry in tail)
    order = sorted(shown, key=lambda event: dialogue.events[event].order)
    if last is not None:
        order = order[-last:] if last else []
    names = {id(state): names_of(state) for state in dialogue.chapters}
    now = names[id(dialogue.state)]
    changed = revised(dialogue)
    return tuple(
        (
            (dialogue.events[event].header.lamport, event.hex()),
            _message(core, dialogue, shown[event], names[id(shown[event][1])], now, changed.get(event)),
        )
        for event in order
    )


def _tail(dialogue: Dialogue, log: tuple[Entry, ...], last: int | None, first: Order | None) -> Iterator[Entry]:
    """What is shown of a log, newest first: at most so many, and none before `first`."""
    shown = (entry for entry in reversed(log) if is_message(dialogue, entry))
    for entry in islice(shown, last):
        if first is not None and dialogue.events[entry.event].order < first:
            return
        yield entry


def _message(
    core: Core, dialogue: Dialogue, place: tuple[Entry, State], then: Names, now: Names, changed: Matter | None
) -> Row:
    """A message's row: its author is named as `then`, in its own chapter, who has received it as `now`."""
    entry, state = place
    event = dialogue.events[entry.event]
    said = event.content
    claimed = event.header.tick * MS_PER_MINUTE
    mine = entry.author == dialogue.me
    addressed = delivery.addressed(dialogue, event)
    holders = core.outbox.peers.get(entry.event, frozenset())
    alone = mine and not addressed and delivery.is_alone(dialogue, event)
    return {
        "id": entry.event.hex(),
        "author": then[entry.author],
        "member": entry.author.hex(),
        "text": clean(said.text if changed is None else changed.text, LIMIT_SAY_TEXT) if isinstance(said, Say) else "",
        "form": said.form if isinstance(said, Say) else "",
        "about": said.target.hex() if isinstance(said, Say) and said.target is not None else "",
        "lang": clean_name(said.lang) if isinstance(said, Say) else "",
        "voice": clean_name(said.voice) if isinstance(said, Say) else "",
        "edited": changed is not None and not changed.is_withdrawn,
        "withdrawn": changed is not None and changed.is_withdrawn,
        "time": claimed,
        "grade": f"{WATERMARK.lower()}, {GRADE}" if is_simulation(dialogue.state) else GRADE,
        "state": "stored" if alone or (mine and core.outbox.is_waiting(entry.event)) else "sent",
        "alone": alone,
        "peers": len(holders) if mine else 0,
        "relays": sorted(relay_names(core, dialogue.commons, holders)) if mine else [],
        "mine": mine,
        "received": [now[persona] for persona in delivery.receivers(dialogue, event)],
        "members": 0 if dialogue.state.is_apart(event.header.room) else len(addressed),
        "folded": clean(folded(dialogue.state, entry.event), LIMIT_REASON),
        "late": dialogue.arrivals[entry.event] - claimed > LATE_MS,
        **_hole(core, dialogue, event, state),
    }


def _hole(core: Core, dialogue: Dialogue, event: Event, state: State) -> Row:
    """What of it and right before it is not here: asked for still, lost for good, or a text past its time."""
    before = state.rooms[event.header.room].missing.intersection(event.header.parents)
    lost = before & dialogue.lost
    return {
        "gap": before > lost,
        "lost": len(lost),
        "expired": core.retention(dialogue) if event.body is None else 0,
    }


def is_message(dialogue: Dialogue, entry: Entry) -> bool:
    """Whether an entry of a room is something said, and shown: no stance, edit or proposal, which have their place."""
    return entry.reason is None and dialogue.events[entry.event].header.kind == Kind.SAY


def message(core: Core, text: str) -> Row:
    """One message, found by its id or the start of it: who has received it and who has not, by name.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip().lower()
    found = [
        (dialogue, entry, state)
        for dialogue in core.dialogues.values()
        for state in dialogue.chapters
        for room in state.rooms.values()
        for entry in room.log
        if is_message(dialogue, entry) and len(wanted) >= PREFIX and entry.event.hex().startswith(wanted)
    ]
    if len({entry.event for _dialogue, entry, _state in found}) != 1:
        raise unclear("message", len(found))
    dialogue, entry, state = found[-1]
    changed = revised(dialogue).get(entry.event)
    row = _message(core, dialogue, (entry, state), names_of(state), names_of(dialogue.state), changed)
    event = dialogue.events[entry.event]
    told_of = frozenset() if dialogue.state.is_apart(event.header.room) else delivery.addressed(dialogue, event)
    waits = sorted(told_of.difference(delivery.receivers(dialogue, event)))
    return {**row, "waiting": [name_of(dialogue.state, persona) for persona in waits]}


def name_of(state: State, persona: PersonaId) -> str:
    """A member's nickname; with the start of their id when two share it or it could pass for another."""
    return names_of(state)[persona]


def names_of(state: State) -> Names:
    """Everybody's name, as `name_of` has it."""
    names = {persona: clean_name(member.nickname) for persona, member in state.members.items()}
    bearers = Counter(name.casefold() for name in names.values())
    return {
        persona: f"{name} {persona.hex()[:8]}".strip()
        if not name or is_confusable(name) or bearers[name.casefold()] > 1 or ENDS_LIKE_AN_ID.search(name)
        else name
        for persona, name in names.items()
    }


def people(core: Core, key: DialogueId) -> tuple[Row, ...]:
    """Everyone who is or was in the dialogue."""
    dialogue = core.dialogues[key]
    names, codes = names_of(dialogue.state), _codes(core, key)
    return tuple(
        {**_person(dialogue, persona, names, codes.get(persona, "")), **identity(core, key, persona)}
        for persona in dialogue.state.members
    )


def _codes(core: Core, key: DialogueId) -> dict[PersonaId, str]:
    """The short code to compare with those I let in, and with who let me in; by their keys, never by a name."""
    guests = (knock for knock in core.knocks.values() if knock.dialogue == key and knock.invite in core.invites)
    codes = {knock.persona(key): short_code(core.invites[knock.invite].card, knock.knock) for knock in guests}
    hosts = ((join.card, join.code) for join in core.joins.values() if join.dialogue == key)
    codes.update((persona_id(key, card.inviter), code) for card, code in hosts if card is not None)
    return codes


def _person(dialogue: Dialogue, persona: PersonaId, names: Names, code: str) -> Row:
    member = dialogue.state.members[persona]
    told_by = None if member.told_by is None else dialogue.told_by
    return {
        "member": persona.hex(),
        "nick": names[persona],
        "me": persona == dialogue.me,
        "facilitator": member.facilitator,
        "status": {Status.IN: "in", Status.LEFT: "left", Status.REMOVED: "removed"}[member.status],
        "checked": persona == dialogue.me or persona in dialogue.checked_codes,
        "code": code,
        "told_by": "" if told_by is None else names[told_by],
        "accepted": member.accepted,
        "forked": persona in dialogue.state.equivocations,
    }


def knocks(core: Core) -> tuple[Row, ...]:
    """Every knock on my invites."""
    return tuple(_knock(core, knock) for knock in core.knocks.values())


def _knock(core: Core, knock: inviting.Knocking) -> Row:
    return {
        "knock": knock.id.hex(),
        "dialogue": knock.dialogue.hex(),
        "title": _title(core.dialogues[knock.dialogue]),
        "nick": clean_name(knock.knock.nickname),
        "code": short_code(core.invites[knock.invite].card, knock.knock),
        "time": knock.time,
        "state": {inviting.KnockState.HELD: "waiting", inviting.KnockState.REFUSED: "refused"}.get(
            knock.state, "admitted"
        ),
    }


def joins(core: Core) -> tuple[Row, ...]:
    """Every invite of somebody else's that I hold."""
    return tuple(_join(join) for join in core.joins.values())


def _join(join: joining.Joining) -> Row:
    card = join.card
    return {
        "join": join.id.hex(),
        "title": "" if card is None else clean_name(card.title),
        "state": joining.words(join.state),
        "inviter": "" if card is None else clean_name(card.nick),
        "dialogue": None if join.dialogue is None else join.dialogue.hex(),
        "problem": FAULTS[Fault(join.fault)].error if join.fault else "",
        "code": join.code,
    }


def unsent(core: Core) -> int:
    """How much waits for another machine to hold it; not what was left unsaid in a dialogue that I am out of."""
    out = {key for key, dialogue in core.dialogues.items() if dialogue.standing is not Standing.IN}
    unsaid = sum(
        entry.lane.kind is LaneKind.ROOM and entry.lane.dialogue in out for entry in core.outbox.entries.values()
    )
    return core.outbox.unsent - unsaid


def clock(time: Timekeeping) -> Row:
    """What a person must know of a clock in doubt, nothing when it is believed: times in ms, and who confirms it."""
    if time.is_sure:
        return {}
    return {"shows": time.doubted, "known": time.known, "agree": len(time.witnesses)}


def resolve_dialogue(core: Core, text: str) -> DialogueId:
    """The dialogue a person means: its id, the start of it, or its title.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip()
    found = [
        dialogue
        for dialogue in core.dialogues.values()
        if wanted.casefold() in {clean_name(dialogue.state.title).casefold(), _title(dialogue).casefold()}
        or (len(wanted) >= PREFIX and dialogue.id.hex().startswith(wanted.lower()))
    ]
    if len(found) != 1:
        raise unclear("dialogue", len(found))
    return found[0].id


def resolve_member(core: Core, key: DialogueId, text: str) -> PersonaId:
    """The member a person means: their nickname as shown, their id, or the start of it.

    Raises: LocalError when it is none or several.
    """
    dialogue = core.dialogues[key]
    wanted = text.strip()
    found = [
        persona
        for persona in sorted(dialogue.state.roster)
        if name_of(dialogue.state, persona).casefold() == wanted.casefold()
        or (len(wanted) >= PREFIX and persona.hex().startswith(wanted.lower()))
    ]
    if len(found) != 1:
        raise unclear("person here", len(found))
    return found[0]


def resolve_knock(core: Core, text: str) -> bytes:
    """The knock a person means: its id, the start of it, or the nickname of who knocks.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip()
    found = [
        knock.id
        for knock in core.knocks.values()
        if knock.state is inviting.KnockState.HELD
        and (
            clean_name(knock.knock.nickname).casefold() == wanted.casefold()
            or (len(wanted) >= PREFIX and knock.id.hex().startswith(wanted.lower()))
        )
    ]
    if len(found) != 1:
        raise unclear("waiting knock", len(found))
    return found[0]


def unclear(what: str, count: int) -> LocalError:
    """The error to raise where a word names nothing, or too much."""
    if count:
        return refuse(f"{count} {what}s match that.", "Give more letters of the id.")
    return refuse(f"There is no {what} by that name.", "List them to see their names and ids.")

