"""What has come of items in parts is kept over a stop, and lets go with its rows. Spec: docs/spec/frame.md, parts."""

import random

import pytest
from village import Village

from tertulia.protocol import parts
from tertulia.protocol.core import Core
from tertulia.protocol.effects import Erase, Put, Table
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.inputs import ConfirmClock
from tertulia.protocol.item import LIMIT_ASSEMBLY_IDLE, Assembly, Item, ItemType, pack
from tertulia.protocol.turn import Turn

LANE, OTHER = b"a" * 32, b"b" * 32
NOW = 1_900_000_000_000


def cut(text: bytes) -> list[Item]:
    """The parts of an item too long for a frame."""
    return [item for frame in pack((Item(ItemType.EVENT, text * 2_000),), FrameClass.SMALL) for item in frame]


class Shelf:
    """The assemblies of a core, and the rows beside them."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.held: dict[bytes, Assembly] = {}

    def add(self, lane: bytes, part: Item, now: int) -> Item | None:
        turn = self.turn(now)
        whole = parts.add(self.held, turn, lane, part)
        self.keep(turn)
        return whole

    def turn(self, now: int) -> Turn:
        return Turn(now, random.Random(1).randbytes)

    def keep(self, turn: Turn) -> None:
        for effect in turn.effects:
            match effect:
                case Put(Table.PART, key, value):
                    self.rows[key] = value
                case Erase(Table.PART, key):
                    del self.rows[key]

    def sweep(self, now: int) -> None:
        turn = self.turn(now)
        parts.sweep(self.held, turn)
        self.keep(turn)

    def restart(self, seed: int = 0) -> None:
        rows = list(self.rows.items())
        random.Random(seed).shuffle(rows)
        self.held = parts.load(rows)


@pytest.mark.parametrize("seed", range(5))
def test_after_a_stop_every_row_belongs_to_what_is_held_whatever_the_order_they_are_read_in(seed: int) -> None:
    shelf = Shelf()
    first, second = cut(b"first"), cut(b"second")
    shelf.add(LANE, first[0], NOW)
    shelf.add(LANE, first[1], NOW + LIMIT_ASSEMBLY_IDLE - 1)
    shelf.add(LANE, second[0], NOW + LIMIT_ASSEMBLY_IDLE)
    shelf.add(OTHER, second[0], NOW)
    before = shelf.held
    shelf.restart(seed)
    assert shelf.held == before
    rest = [shelf.add(LANE, part, NOW + LIMIT_ASSEMBLY_IDLE) for part in first[2:]]
    assert rest[-1] == Item(ItemType.EVENT, b"first" * 2_000)
    shelf.sweep(NOW + LIMIT_ASSEMBLY_IDLE)
    assert [key[:32] for key in shelf.rows] == [LANE], "the other lane's was idle too long"
    shelf.restart(seed)
    shelf.sweep(NOW + 2 * LIMIT_ASSEMBLY_IDLE)
    assert shelf.rows == {}
    assert all(not lane.incomplete for lane in shelf.held.values())


def test_a_row_that_is_not_ours_is_damage() -> None:
    shelf = Shelf()
    shelf.add(LANE, cut(b"first")[0], NOW)
    (row,) = shelf.rows.values()
    with pytest.raises(RemoteError):
        parts.load([(LANE + bytes(33), row[:-1] + bytes([row[-1] ^ 1]))])


def test_what_was_idle_too_long_goes_at_the_next_start_unless_the_clock_is_in_doubt() -> None:
    village = Village()
    ruth = village.citizen("Ruth")
    ruth.restart()
    shelf = Shelf()
    shelf.add(LANE, cut(b"first")[0], village.now)
    ruth.rows[Table.PART] = dict(shelf.rows)
    village.now += LIMIT_ASSEMBLY_IDLE + 40 * 24 * 60 * 60_000
    ruth.restart()
    assert ruth.rows[Table.PART] == shelf.rows, "nothing goes for its age while the clock is in doubt"
    ruth.ask(ConfirmClock())
    assert ruth.rows[Table.PART] == {}
    ruth.rows[Table.PART] = dict(shelf.rows)
    ruth.restart()
    assert ruth.rows[Table.PART] == {}
    assert isinstance(ruth.core, Core)
