"""A branch of what is established: a copy that a fold may go on with, while the one before stays what it was.

Implements docs/spec/core.md §2 (values are never changed in place). Facts refer to each other, a use of power to the
seat it was used from, so they are copied together; what never changes, like a newcomer or an epoch, is shared. Rulings
are left behind: they are looked up again.
"""

from __future__ import annotations

from dataclasses import replace

from tertulia.protocol.act import Act
from tertulia.protocol.authority import Authority
from tertulia.protocol.ground import Ground
from tertulia.protocol.ids import EventId
from tertulia.protocol.ruling import Record
from tertulia.protocol.seat import Claim, Seat, Use


def branch(ground: Ground) -> Ground:
    """A ground with an authority of its own."""
    return replace(ground, authority=_authority(ground.authority))


def _authority(before: Authority) -> Authority:
    found = Authority(before.dialogue, before.ancestry.branch(), before.charter, before.charter_hash)
    seats = {seat: _seat(seat) for seat in before.seats}
    uses = _record(before.record, found.record, seats)
    for old, seat in seats.items():
        seat.given = None if old.given is None else uses[old.given]
    found.seats = list(seats.values())
    for key, claims in before.claims.items():
        found.claims[key] = [seats[claim.seat].claims[key] for claim in claims]
    found.rooms = {
        room: opened if opened.by is None else replace(opened, by=uses[opened.by])
        for room, opened in before.rooms.items()
    }
    found.epochs = list(before.epochs)
    found.introductions = list(before.introductions)
    found.alarms = list(before.alarms)
    return found


def _seat(before: Seat) -> Seat:
    seat = replace(
        before,
        claims={},
        prekeys=list(before.prekeys),
        accepted=list(before.accepted),
        endings=list(before.endings),
    )
    for key, claim in before.claims.items():
        since, endings, witnesses = list(claim.since), list(claim.endings), list(claim.witnesses)
        seat.claims[key] = Claim(key, seat, since, claim.mark, endings, claim.ended, witnesses, claim.borne)
    return seat


def _record(before: Record, found: Record, seats: dict[Seat, Seat]) -> dict[Use, Use]:
    """Fill in a record; returns for each use of power the same in there."""
    found.forked, found.matters = before.forked, before.matters
    twins: dict[int, list[EventId]] = {}
    for actor, line in before.lines.items():
        mine: dict[int, list[EventId]] = {}
        for seq, events in line.items():
            mine[seq] = twins[id(events)] = list(events)
        found.lines[actor] = mine
    uses = {use: replace(use, seat=seats[use.seat], twins=twins.get(id(use.twins), [])) for use in before.uses}
    found.uses = list(uses.values())
    acts = {
        act: Act(act.body, act.need, act.order, act.past, [uses[use] for use in act.signatures])
        for act in before.acts.values()
    }
    found.acts = {act.event: act for act in acts.values()}
    found.grants = {member: [acts[act] for act in given] for member, given in before.grants.items()}
    found.steers = {room: [acts[act] for act in done] for room, done in before.steers.items()}
    found.breakouts = {room: acts[act] for room, act in before.breakouts.items()}
    return uses
