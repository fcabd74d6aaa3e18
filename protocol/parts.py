"""Items that arrive in parts: what has come so far, kept in the vault until the item is whole.

Implements docs/spec/frame.md (parts) for the core. Each lane (a dialogue, an invite, a join) has its own bounded
assembly, so one member's unfinished items never push out another dialogue's. A part's row is erased in the turn in
which its item becomes whole or is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, assert_never

from tertulia.protocol.effects import Table
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.item import Assembly, Item, ItemType
from tertulia.protocol.recogniser import InDialogue, OnCard, OnContact, OnCorridor, OnKnock, OnWelcome, Target
from tertulia.protocol.shape import as_bytes, as_int, as_list

if TYPE_CHECKING:
    from tertulia.protocol.turn import Turn

LANE: Final = 32
NAME: Final = 32
LIMIT_PART_ROW: Final = 32 * 1024


def lane(target: Target) -> bytes:
    """The 32-byte name of the assembly that parts for this target go to."""
    match target:
        case InDialogue():
            return target.dialogue
        case OnCorridor():
            return target.corridor
        case OnCard() | OnWelcome():
            return target.join
        case OnKnock():
            return target.invite
        case OnContact():
            return target.root
        case _:
            assert_never(target)


def add(assemblies: dict[bytes, Assembly], turn: Turn, lane_of: bytes, part: Item) -> Item | None:
    """Take a part; gives the item once it is whole.

    Raises: RemoteError when the part, or the whole, is malformed; then nothing has changed, so that a false part never
    costs the honest ones.
    """
    before = assemblies.get(lane_of, Assembly())
    after, whole = before.add(part, turn.now)
    name, k, _count, _bytes = as_list(part.body, 4)
    if whole is None and after is not before:
        key = lane_of + as_bytes(name, NAME) + as_int(k, 0, 255).to_bytes(1, "big")
        turn.put(Table.PART, key, encode([turn.now, part.body]))
    _forget(assemblies, turn, lane_of, before, after)
    return whole


def forget(assemblies: dict[bytes, Assembly], turn: Turn, lane_of: bytes) -> None:
    """Let go of a lane, with what is incomplete in it."""
    _forget(assemblies, turn, lane_of, assemblies.get(lane_of, Assembly()), Assembly())
    del assemblies[lane_of]


def sweep(assemblies: dict[bytes, Assembly], turn: Turn) -> None:
    """Let go of what has been idle too long, in every lane: nothing may ever come in one of them again."""
    for lane_of, before in tuple(assemblies.items()):
        _forget(assemblies, turn, lane_of, before, before.swept(turn.now))


def _forget(assemblies: dict[bytes, Assembly], turn: Turn, lane_of: bytes, before: Assembly, after: Assembly) -> None:
    for name, entry in before.incomplete.items():
        if name not in after.incomplete:
            for k in entry.parts:
                turn.erase(Table.PART, lane_of + name + k.to_bytes(1, "big"))
    assemblies[lane_of] = after


def load(rows: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Assembly]:
    """The assemblies as the vault holds them: all of it, so that what is let go later loses its rows too.

    Raises: RemoteError when a row is not one of ours.
    """
    found: dict[bytes, Assembly] = {}
    for key, row in rows:
        came, body = as_list(decode(row, LIMIT_PART_ROW), 2)
        here = found.get(key[:LANE], Assembly())
        found[key[:LANE]] = here.with_kept(Item(ItemType.PART, body), as_int(came, 0, 1 << 62))
    return found
