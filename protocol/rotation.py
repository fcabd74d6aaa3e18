"""My own keys as time goes by: the next session key, the next prekey, and what others' introductions say of theirs.

Implements docs/spec/keys.md, sections Session, Introduction and Prekey, and core.md §3. Each session key signs the next
and is destroyed at its end; a prekey is renewed after a third of its life and erased at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.protocol import asking, keyring, retelling
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.effects import SetTimer, View
from tertulia.protocol.event import CONTROL, Kind
from tertulia.protocol.mark import Accept, Alarm
from tertulia.protocol.prekey import is_live, new_prekey, renew_at
from tertulia.protocol.roster import Introduce, Prekeys
from tertulia.protocol.sending import send_control
from tertulia.protocol.session import SESSION_MINUTES, Introduction, check_introduction, introduction_mac, new_session
from tertulia.protocol.timekeeping import is_ahead
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.ids import DialogueId
    from tertulia.protocol.turn import Turn

KEYS_TIMER: Final = "keys"
LIMIT_CONFIRMING: Final = 4
"""Introductions of one batch that are held against what I was told on arrival."""


def keys_due(core: Core, turn: Turn, key: DialogueId) -> None:
    """Rotate the session key and prekeys that are due, erase what is past its life, and set the next time."""
    dialogue = core.own(key)
    out_of_reach = not any(is_live(secret.public, turn.minute) for secret in dialogue.prekeys.values())
    if core.time.is_sure and keyring.expire(dialogue, turn, core.retention(dialogue)):
        core.keys_changed()
    if dialogue.standing is not Standing.IN:
        if turn.minute >= dialogue.session.end:  # its private half goes; the next one is introduced to nobody
            dialogue.hold_session(turn, new_session(turn.entropy, turn.minute))
        keys_timer(turn, dialogue)
        return
    if turn.minute >= dialogue.session.end or is_ahead(dialogue.session.start, turn.minute):
        introduce(core, turn, dialogue)
    days = dialogue.state.retention_days
    if turn.minute >= _renewal(dialogue, turn.minute):
        if core.time.is_sure and not _seals_ahead(dialogue, turn.minute):
            _forget_ahead(core, turn, dialogue)
        secret = new_prekey(turn.entropy, turn.minute, days)
        dialogue.hold_prekey(turn, secret)
        event = dialogue.author(turn, CONTROL, Kind.ROSTER, Prekeys((secret.public,)).encode())
        send_control(core, turn, dialogue, event)
    if not dialogue.alone and (out_of_reach or _is_unheard(dialogue, turn.minute)):
        asking.returned(turn, dialogue)
    keys_timer(turn, dialogue)


def _renewal(dialogue: Dialogue, minute: int) -> int:
    """The minute at which the next prekey is due: at once where others seal to one that a false clock has dated."""
    if _seals_ahead(dialogue, minute):
        return 0
    mine = (secret.public for secret in dialogue.prekeys.values() if not is_ahead(secret.born, minute))
    return max(map(renew_at, mine), default=0)


def _seals_ahead(dialogue: Dialogue, minute: int) -> bool:
    member = dialogue.member
    newest = () if member is None else member.prekeys
    days = dialogue.state.retention_days
    return any(prekey.retention_days == days and is_ahead(prekey.born, minute) for prekey in newest)


def _forget_ahead(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    """Erase the prekeys that a false clock has dated, with the renewal after the one that took their place."""
    for key in [key for key, secret in dialogue.prekeys.items() if is_ahead(secret.born, turn.minute)]:
        dialogue.forget_prekey(turn, key)
        core.keys_changed()


def _is_unheard(dialogue: Dialogue, minute: int) -> bool:
    """Whether nobody has built on a prekey of mine for a day: what I say may reach nobody any more."""
    unnamed = (event for event in retelling.unnamed(dialogue) if isinstance(event.content, Prekeys))
    return any(event.header.tick + SESSION_MINUTES <= minute for event in unnamed)


def keys_timer(turn: Turn, dialogue: Dialogue) -> None:
    """Look at my keys again when the session ends or, while I am in, a prekey wants renewing; whichever comes first."""
    due = dialogue.session.end * MS_PER_MINUTE
    if dialogue.standing is Standing.IN:
        due = min(due, _renewal(dialogue, turn.minute) * MS_PER_MINUTE)
    turn.emit(SetTimer(f"{KEYS_TIMER}:{dialogue.id.hex()}", max(due, turn.now + MS_PER_MINUTE)))


def introduce(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    """Sign my next session key with the present one, deniably to each member, and destroy the present one."""
    state = dialogue.state
    following = new_session(turn.entropy, turn.minute)
    said = Introduction(
        dialogue.id,
        dialogue.session.actor,
        dialogue.me,
        following.actor,
        following.start,
        following.end,
        state.cite(CONTROL, dialogue.session.actor)[0],
        state.control_hash,
    )
    secret = dialogue.persona.box_secret
    macs = tuple(
        (persona, introduction_mac(secret, state.members[persona].keys.box, said, persona))
        for persona in sorted(state.roster - {dialogue.me})
    )
    body = Introduce(following.actor, following.start, following.end, macs, state.control_hash)
    event = dialogue.author(turn, CONTROL, Kind.ROSTER, body.encode())
    dialogue.hold_session(turn, following)
    send_control(core, turn, dialogue, event)
    member = dialogue.member
    speak_up(core, turn, dialogue, accepts=member is not None and member.accepted)


def speak_up(core: Core, turn: Turn, dialogue: Dialogue, *, accepts: bool) -> None:
    """A new key speaks at once: whoever introduces it as theirs later is then plainly not its holder (events.md).

    It accepts the rules, or, where that is for the person to do, says that there are no new prekeys.
    """
    accept = Accept(dialogue.state.charter_hash)
    kind, body = (Kind.MARK, accept.encode()) if accepts else (Kind.ROSTER, Prekeys(()).encode())
    send_control(core, turn, dialogue, dialogue.author(turn, CONTROL, kind, body))


def check_introductions(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    """Verify the MAC addressed to me in each introduction I have not looked at; a failed one alarms everybody."""
    genuine: list[Introduction] = []
    for one in dialogue.state.introductions:
        if one.event in dialogue.introductions_seen:
            continue
        dialogue.introductions_seen |= {one.event}
        mac = dict(one.body.macs).get(dialogue.me)
        if mac is None or one.persona == dialogue.me or (one.event, dialogue.me) in dialogue.state.alarmed:
            continue
        header, body = dialogue.events[one.event].header, one.body
        said = Introduction(
            dialogue.id, header.actor, one.persona, body.key, body.start, body.end, header.parents, body.state_hash
        )
        theirs = dialogue.state.members[one.persona].keys.box
        if check_introduction(dialogue.persona.box_secret, theirs, said, dialogue.me, mac):
            genuine.append(said)
        else:
            alarm = dialogue.author(turn, CONTROL, Kind.MARK, Alarm(one.event, one.persona).encode())
            send_control(core, turn, dialogue, alarm)
    _confirm(turn, dialogue, genuine)


def _confirm(turn: Turn, dialogue: Dialogue, genuine: list[Introduction]) -> None:
    """A genuine introduction by somebody else, at the state I know: what I was told on arrival is what others hold.

    Each look is a fold of all that came before, so only the newest are looked at: there are more tomorrow.
    """
    told_by = dialogue.told_by
    if told_by is None:
        return
    others = [said for said in genuine if said.introducer != told_by]
    if any(dialogue.control_hash_at(said.heads) == said.state_hash for said in others[-LIMIT_CONFIRMING:]):
        dialogue.confirmed = True
        dialogue.hold_self(turn)
        turn.changed(View.PEOPLE, dialogue.id)
