"""Founding: the charter that a person's choices make, and the first events of a dialogue.

Implements docs/spec/core.md §5 and events.md, section Charter. What is not chosen is as the preset has it; who founds
a dialogue wrote its rules, and so has accepted them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tertulia.protocol import keyring, rotation
from tertulia.protocol.charter import LIMIT_QUORUM, SINCE, Charter, charter_hash, dialogue_id
from tertulia.protocol.dialogue import Dialogue
from tertulia.protocol.event import CONTROL, Kind
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.mark import Accept
from tertulia.protocol.newcomer import Newcomer
from tertulia.protocol.persona import new_persona
from tertulia.protocol.prekey import new_prekey
from tertulia.protocol.presets import CONVERSATION, PRESETS
from tertulia.protocol.refusal import refuse
from tertulia.protocol.room import OpenRoom
from tertulia.protocol.session import new_session
from tertulia.protocol.terms import LANGUAGE, LIMIT_LANGUAGE, LIMIT_LANGUAGES
from tertulia.protocol.text import clean_name

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.inputs import NewDialogue
    from tertulia.protocol.turn import Turn

RANDOM: Final = 32


def found(core: Core, turn: Turn, command: NewDialogue) -> dict[str, Value]:
    """Write the charter, open the plenary and take the first seat.

    Raises: LocalError when a choice is not one.
    """
    commons = core.commons[command.commons]
    _check(command, commons.retention_days)
    title = clean_name(command.title)
    days = command.keep or commons.retention_days
    preset = PRESETS[command.preset]
    persona = new_persona(turn.entropy)
    session = new_session(turn.entropy, turn.minute)
    prekey = new_prekey(turn.entropy, turn.minute, days)
    charter = Charter(
        preset=command.preset,
        title=title,
        founder=Newcomer(persona.keys, session.actor, (prekey.public,), clean_name(command.nick), b"", b""),
        retention_days=days,
        frame_class=FrameClass.SMALL,
        history=SINCE,
        grade=preset.grade,
        randomness=turn.entropy(RANDOM),
        quorum=command.quorum or preset.quorum,
        terms=replace(preset.terms, languages=command.languages, simulation=command.simulation),
    ).encode()
    key = dialogue_id(charter)
    dialogue = Dialogue(key, command.commons, persona, persona.id(key), session)
    dialogue.hold_session(turn, session)
    dialogue.hold_prekey(turn, prekey)
    dialogue.author(turn, CONTROL, Kind.CHARTER, charter)
    dialogue.author(turn, CONTROL, Kind.ROOM, OpenRoom("plenary", title).encode())
    dialogue.author(turn, CONTROL, Kind.MARK, Accept(charter_hash(charter)).encode())
    core.adopt(turn, dialogue)
    keyring.announce(dialogue, turn, keyring.prepare(dialogue, turn))
    core.keys_changed()
    rotation.keys_timer(turn, dialogue)
    return {"dialogue": key.hex(), "title": title}


def _check(command: NewDialogue, retention_days: int) -> None:
    if not clean_name(command.title):
        raise refuse("A dialogue needs a title.", "Give it a few words that those you invite will recognise.")
    if command.preset not in PRESETS:
        raise refuse("There is no such track.", "Choose 1, 1.5, 2 or 3; or none, for a conversation.")
    if command.quorum is not None and not 1 <= command.quorum <= LIMIT_QUORUM:
        raise refuse(f"A quorum is 1 to {LIMIT_QUORUM} facilitators.", "Choose a number in that range.")
    if command.keep and not 1 <= command.keep <= retention_days:
        raise refuse(
            f"This community keeps what is said for {retention_days} days at most.", "Choose fewer days, at least one."
        )
    if command.preset == CONVERSATION and (command.languages or command.simulation):
        raise refuse(
            "A conversation has no languages of its own, and is no exercise.", "Choose a track: --track 1, 1.5, 2 or 3."
        )
    languages = command.languages
    if len(languages) > LIMIT_LANGUAGES or len(set(languages)) < len(languages):
        raise refuse(f"These are not up to {LIMIT_LANGUAGES} different languages.", "Name each of them once.")
    if not all(len(language) <= LIMIT_LANGUAGE and LANGUAGE.fullmatch(language) for language in languages):
        raise refuse("One of these is not the name of a language.", "Write them like this: en,ti,pt-br")
