"""What hostile citizens do: members who hold every key that members hold, and keep to no rule.

GOALS B3; docs/guide/mesh.md, *Mischief*. Their cores are real too; they are made to say what no command would.
Invariants: nothing here is known to the honest but through frames; a hostile citizen is never a founder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tertulia.bootstrap.mesh.node import Manners, Node
from tertulia.protocol import event as events_of
from tertulia.protocol import frame as frames
from tertulia.protocol import keyring, sending
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.event import CONTROL, Kind, to_item
from tertulia.protocol.frame import FrameClass, FrameKeys
from tertulia.protocol.ids import EventId
from tertulia.protocol.item import Item
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.receipt import sign_receipt
from tertulia.protocol.roster import Announce, Introduce, Remove
from tertulia.protocol.say import Say
from tertulia.protocol.session import INTRODUCTION_MAC, new_session

if TYPE_CHECKING:
    from tertulia.bootstrap.mesh.dice import Dice
    from tertulia.bootstrap.mesh.world import World
    from tertulia.protocol.core import Core
    from tertulia.protocol.event import Event
    from tertulia.protocol.ids import RoomId
    from tertulia.protocol.turn import Turn

DELAY_MS: Final = 20 * 60_000
"""How long the delaying sit on a frame before they hand it on."""
FLOOD: Final = 40
"""Frames of noise that the flooding make at once."""
UNKNOWN: Final = 99
SEAT: Final = 32


def manners(acts: Sequence[str], dice: Dice) -> Manners:
    """How a hostile citizen treats what passes through: some drop, some delay, if the scenario says so."""
    ways = [act for act in ("drop", "delay") if act in acts]
    way = dice.choice([*ways, "neither"]) if ways else "neither"
    return Manners(drops=way == "drop", delays=DELAY_MS if way == "delay" else 0)


@dataclass(slots=True)
class Mischief:
    """The hostile, each at their own hours, doing one of the scenario's acts at a time."""

    world: World
    dice: Dice

    def begin(self) -> None:
        """Give everyone their hours."""
        acts = [act for act in self.world.scenario.hostile.acts if act not in {"drop", "delay"}]
        for node in self.world.nodes:
            if node.hostile and acts:
                self._later(node, acts)

    def _later(self, node: Node, acts: list[str]) -> None:
        def due() -> None:
            if self.world.healed:
                return
            self._do(node, self.dice.choice(acts))
            self._later(node, acts)

        wait = round(self.dice.expovariate(1 / self.world.scenario.hostile.every))
        self.world.loop.after(max(1, wait), due)

    def _do(self, node: Node, act: str) -> None:
        if node.core is None:
            return
        self.world.note(node.number, "does", act)
        self.world.counts[f"act {act}"] += 1
        if act == "flood":
            self._flood(node)
        elif act == "replay":
            self._replay(node)
        for dialogue in tuple(node.core.dialogues.values()):
            if dialogue.standing is Standing.IN and not dialogue.alone:
                key = dialogue.id
                node.force(lambda core, turn, key=key: self._act(node, core, turn, core.own(key), act))  # type: ignore[misc]

    def _act(self, node: Node, core: Core, turn: Turn, dialogue: Dialogue, act: str) -> None:
        if dialogue.standing is not Standing.IN:
            return
        match act:
            case "equivocate":
                self._equivocate(node, core, turn, dialogue)
            case "introduce":
                self._introduce(core, turn, dialogue)
            case "boast":
                self._boast(core, turn, dialogue)
            case "usurp":
                self._usurp(core, turn, dialogue)
            case "dangle":
                self._dangle(core, turn, dialogue)
            case "replay":
                self._say_again(core, turn, dialogue)
            case "flood":
                noise = [Item(UNKNOWN, self.dice.randbytes(100)) for _ in range(4)]
                core.outbox.queue(turn, Entry(dialogue.commons, _room(dialogue), tuple(noise)))
            case _:
                raise ValueError(act)

    # For everybody who carries --------------------------------------------------------------------------------------

    def _flood(self, node: Node) -> None:
        """Frames under the commons' key that nobody can open, and some that nobody should carry."""
        minute = frames.publication_minute(node.now)
        for _ in range(FLOOD):
            keys = FrameKeys(self.dice.randbytes(32), self.dice.randbytes(32))
            key = self.world.commons.key if self.dice.random() < 0.8 else self.dice.randbytes(32)
            when = minute + self.dice.choice((0, 0, 0, 80, -60, 2_000, -2_000))
            size = self.dice.choice((FrameClass.SMALL, FrameClass.MEDIUM))
            frame = frames.seal(key, keys, size, when, self.dice.randbytes(24), [])
            node.gossip(self.world.carried(frame))

    def _replay(self, node: Node) -> None:
        """Old frames, as they were."""
        held = list(node.archive)
        for one in self.dice.sample(held, min(len(held), FLOOD)):
            node.gossip(one)

    # For those who can open it --------------------------------------------------------------------------------------

    def _say_again(self, core: Core, turn: Turn, dialogue: Dialogue) -> None:
        """Others' old events, in fresh frames, in another order and under keys they were not said under."""
        known = sorted(dialogue.events.values(), key=lambda event: event.order)
        for event in self.dice.sample(known, min(len(known), 8)):
            core.outbox.queue(turn, Entry(dialogue.commons, _room(dialogue), (to_item(event),)))

    def _equivocate(self, node: Node, core: Core, turn: Turn, dialogue: Dialogue) -> None:
        """Two events with one number, each as good as the other."""
        room = dialogue.plenary
        twin = self._made(dialogue, turn, room, Kind.SAY, Say("message", "this").encode())
        event = dialogue.author(turn, room, Kind.SAY, Say("message", "that").encode())
        for one in (event, twin):
            sending.send_room(core, turn, dialogue, one)
        self.world.oracle.equivocated(node, dialogue, twin.id)

    def _introduce(self, core: Core, turn: Turn, dialogue: Dialogue) -> None:
        """My next session key, with MACs that are nobody's."""
        following = new_session(turn.entropy, turn.minute)
        others = sorted(dialogue.state.roster - {dialogue.me})
        macs = tuple((persona, self.dice.randbytes(INTRODUCTION_MAC)) for persona in others)
        body = Introduce(following.actor, following.start, following.end, macs, self.dice.randbytes(SEAT))
        event = dialogue.author(turn, CONTROL, Kind.ROSTER, body.encode())
        dialogue.hold_session(turn, following)
        sending.send_control(core, turn, dialogue, event)

    def _boast(self, core: Core, turn: Turn, dialogue: Dialogue) -> None:
        """I have received everything, and more than there is."""
        state = dialogue.state
        actors = sorted(state.actors)[:32]
        room = dialogue.plenary
        vector = {actor: state.next_seq(actor, room) + self.dice.choice((-1, 0, 1_000)) for actor in actors}
        claimed = {actor: number for actor, number in vector.items() if number > 0}
        item = sign_receipt(dialogue.id, room, dialogue.session, claimed).to_item()
        core.outbox.queue(turn, Entry(dialogue.commons, _room(dialogue), (item,)))

    def _usurp(self, core: Core, turn: Turn, dialogue: Dialogue) -> None:
        """Acts that only a facilitator may do, and an epoch for a roster that nobody has."""
        victim = self.dice.choice(sorted(dialogue.state.roster - {dialogue.me}))
        room = dialogue.plenary
        parents = keyring.frontier(dialogue)
        bodies = (
            Remove(victim, ()).encode(),
            Announce(room, parents, self.dice.randbytes(32), self.dice.randbytes(32), turn.minute).encode(),
        )
        for body in bodies:
            event = dialogue.author(turn, CONTROL, Kind.ROSTER, body)
            sending.send_control(core, turn, dialogue, event)

    def _dangle(self, core: Core, turn: Turn, dialogue: Dialogue) -> None:
        """Speech and acts that hang on events nobody has, or leap ahead of everybody's time."""
        room = dialogue.plenary
        nowhere = EventId(self.dice.randbytes(32))
        said = Say("message", "there").encode()
        for where, kind, body in ((room, Kind.SAY, said), (CONTROL, Kind.ROSTER, Remove(dialogue.me, ()).encode())):
            lamport = self.dice.choice((3, 10_000, 2**40))
            event = self._made(dialogue, turn, where, kind, body, parents=(nowhere,), lamport=lamport)
            sending.send_room(core, turn, dialogue, event)

    def _made(
        self,
        dialogue: Dialogue,
        turn: Turn,
        room: RoomId,
        kind: Kind,
        body: bytes,
        parents: tuple[EventId, ...] | None = None,
        lamport: int | None = None,
    ) -> Event:
        """An event signed by me that my own core does not hold."""
        state = dialogue.state
        cited, control, honest = state.cite(room, dialogue.session.actor)
        return events_of.make(
            dialogue=dialogue.id,
            room=room,
            kind=kind,
            seq=state.next_seq(dialogue.session.actor, room),
            parents=cited if parents is None else parents,
            control=control,
            lamport=honest if lamport is None else lamport,
            tick=turn.minute,
            session_seed=dialogue.session.seed,
            salt=turn.entropy(16),
            body=body,
        )


def _room(dialogue: Dialogue) -> Lane:
    return Lane(LaneKind.ROOM, dialogue.id)
