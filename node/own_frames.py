"""Frames of ours that are not yet known to be with a peer, and with whom they are.

DESIGN.md §6, *Delivery, told truthfully*; docs/spec/sync.md, *Counting*. Invariants: a peer counts once for a frame,
and only when a whole session showed that it holds it or it acknowledged it; at most `LIMIT_OWN` frames and
`LIMIT_HOLDERS` peers of each are remembered, the oldest go first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tertulia.node.substrate import PeerId
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import FrameId
    from tertulia.protocol.range_index import Place

LIMIT_OWN: Final = 4_096
LIMIT_HOLDERS: Final = 8
"""Peers that a frame is counted with; more say nothing new to a person."""
LIMIT_OFFERED: Final = 64
"""Peers remembered as not having taken a frame."""


@dataclass(slots=True)
class _Own:
    minute: int
    held: set[PeerId] = field(default_factory=set)
    """Peers that hold it."""
    offered: set[PeerId] = field(default_factory=set)
    """Peers that did not take it when it was offered: no reason for a session of its own."""


@dataclass(slots=True)
class OwnFrames:
    """What this node has published since it started."""

    _frames: dict[FrameId, _Own] = field(default_factory=dict)

    def add(self, frames: Iterable[Frame]) -> None:
        """We have published these."""
        for frame in frames:
            self._frames.setdefault(frame.id, _Own(frame.minute))
        while len(self._frames) > LIMIT_OWN:
            del self._frames[next(iter(self._frames))]

    def unheard(self, peer: PeerId) -> tuple[Place, ...]:
        """Where the frames stand that this peer is not known to hold."""
        return tuple((own.minute, frame) for frame, own in self._frames.items() if peer not in own.held)

    def __contains__(self, frame: FrameId) -> bool:
        return frame in self._frames

    def holds(self, peer: PeerId, frame: FrameId) -> bool:
        """`peer` holds this frame. True when that is news about a frame of ours."""
        own = self._frames.get(frame)
        if own is None or peer in own.held:
            return False
        own.held.add(peer)
        if len(own.held) >= LIMIT_HOLDERS:
            del self._frames[frame]
        return True

    def owed(self, peer: PeerId) -> tuple[FrameId, ...]:
        """The frames that this peer is not known to hold, and was not offered."""
        return tuple(
            frame for frame, own in self._frames.items() if peer not in own.held and peer not in own.offered
        )

    def settle(self, peer: PeerId, frames: Iterable[FrameId]) -> None:
        """A session with `peer` is over: what it did not take of these waits for the sessions that come anyway."""
        for frame in frames:
            own = self._frames.get(frame)
            if own is not None:
                if len(own.offered) >= LIMIT_OFFERED:
                    own.offered.clear()
                own.offered.add(peer)

    def forget_before(self, minute: int) -> None:
        """Frames this old are not carried any more."""
        for frame in [frame for frame, own in self._frames.items() if own.minute < minute]:
            del self._frames[frame]
