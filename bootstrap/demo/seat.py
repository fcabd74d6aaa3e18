"""One citizen's place in a worker process: the profile that stays, the node that comes and goes.

Invariants: whatever is asked of the node goes through the methods that every client uses; closing a seat ends the node,
its connections and its keys, and leaves the folder; the tap of a seat sees every payload of every node it ever had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tertulia.bootstrap.demo.needles import Needles
from tertulia.bootstrap.demo.places import Tap
from tertulia.node.citizen import Citizen, open_citizen
from tertulia.node.config import Config, Network
from tertulia.node.served import Served
from tertulia.node.service import State
from tertulia.protocol.address import to_multiaddr
from tertulia.protocol.commons import Commons
from tertulia.protocol.effects import View
from tertulia.protocol.encoding import Value
from tertulia.protocol.event import Kind
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.shape import as_list, as_map

MOST = 1 << 20


@dataclass(slots=True)
class Seat:
    """`folder` is the profile's. `listen` and `peers` are multiaddrs."""

    folder: Path
    needles: Needles = field(repr=False)
    listen: str = field(repr=False)
    peers: tuple[str, ...] = field(repr=False)
    tap: Tap = field(init=False, repr=False)
    node: Citizen | None = field(default=None, init=False, repr=False)
    _changed: trio.Event = field(default_factory=trio.Event, init=False, repr=False)
    _leave: trio.Event = field(default_factory=trio.Event, init=False, repr=False)
    _left: trio.Event = field(default_factory=trio.Event, init=False, repr=False)

    def __post_init__(self) -> None:
        self.tap = Tap(self.needles)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the node; returns when `close` is called. Raises LocalError."""
        assert self.node is None
        self._leave, self._left, self._changed = trio.Event(), trio.Event(), trio.Event()
        config = Config(network=Network(listen=(self.listen,), peers=self.peers))
        try:
            async with open_citizen(self.folder, config, tap=self.tap) as node:
                self.node = node
                node.service.on_shown.append(self._note)
                task_status.started()
                await self._leave.wait()
        finally:
            self.node = None
            self._changed.set()
            self._left.set()

    async def close(self) -> None:
        """End the node, if there is one, and wait until it has ended."""
        if self.node is not None:
            self._leave.set()
            await self._left.wait()

    async def call(self, method: str, params: Mapping[str, Value]) -> dict[str, Value]:
        """Ask the node. Raises LocalError."""
        assert self.node is not None
        return await self.node.call(method, dict(params))

    async def settle(self, invite: str, seed: bytes) -> None:
        """Carry the community of an invite, be reached there under the PeerId of `seed`, and be in step with somebody.

        Whoever joins only dials unless their settings say otherwise, and takes a new PeerId each time; here the others
        must know in advance whom to dial.
        """
        assert self.node is not None
        found = decode_invite(invite)
        address = to_multiaddr(found.address)
        commons = Commons(
            found.commons_key, found.generation, "", addresses=(address,) if address else (), peer=found.peer
        )
        service = self.node.service
        await service.serve(Served(commons, (self.listen,), seed))
        while True:
            changed = self._changed
            if any(carried.network.reached for carried in service.carrying):
                return
            await changed.wait()

    # The dialogue ---------------------------------------------------------------------------------------------------

    def shown(self, dialogue: DialogueId, kind: Kind = Kind.SAY) -> int:
        """How many messages, or stances, the citizen sees in a dialogue; 0 before they are in it, and while away."""
        if self.node is None or self.node.service.state is not State.UNLOCKED:
            return 0
        held = self.node.service.core.dialogues.get(dialogue)
        if held is None or not held.state.rooms:
            return 0
        log = held.state.rooms[held.plenary].log
        return sum(entry.reason is None and held.events[entry.event].header.kind == kind for entry in log)

    async def until(self, dialogue: DialogueId, count: int, kind: Kind = Kind.SAY) -> None:
        """Wait until the citizen sees so many messages, or stances."""
        while True:
            changed = self._changed
            if self.shown(dialogue, kind) >= count:
                return
            await changed.wait()

    async def gathered(self, dialogue: DialogueId) -> list[Value]:
        """What the citizen has in the end: the hash of the state, and who said what as `read` shows it."""
        if not self.shown(dialogue):
            return [b"", []]
        assert self.node is not None
        answer = await self.call("read", {"dialogue": dialogue.hex()})
        messages = as_list(answer["messages"], most=MOST)
        said: list[Value] = [[row["author"], row["text"]] for row in (as_map(one, MOST) for one in messages)]
        return [self.node.service.core.dialogues[dialogue].state.hash, said]

    async def tallies(self, dialogue: DialogueId) -> list[Value]:
        """What `matters` shows the citizen of each statement: [text, agree, disagree, pass]."""
        if not self.shown(dialogue):
            return []
        answer = await self.call("matters", {"dialogue": dialogue.hex()})
        rows = [as_map(row, MOST) for row in as_list(answer["matters"], most=MOST)]
        return [[row["text"], row["agree"], row["disagree"], row["pass"]] for row in rows]

    def _note(self, _view: View, _dialogue: DialogueId | None) -> None:
        self._changed.set()
        self._changed = trio.Event()
