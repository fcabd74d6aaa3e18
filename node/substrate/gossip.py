"""One topic, as the node sees it: publish, receive what the validator accepted, count what was lost.

The seam's `Gossip`; GossipSub 1.1 underneath. Invariants: a frame is delivered here at most once while it is remembered
and never when it is our own; a reader that is too slow loses frames here, which is counted, but never holds up the
forwarding to others; the validator is total from the host's point of view, whatever it does.
"""

from collections import Counter
from collections.abc import Callable
from enum import Enum, auto

import trio

from tertulia.node.substrate.errors import SubstrateError
from tertulia.node.substrate.peer_ids import PeerId

LIMIT_WAITING_FRAMES = 4096


class Verdict(Enum):
    """What a validator says of a frame."""

    ACCEPT = auto()
    """Deliver it and pass it on."""
    IGNORE = auto()
    """Neither, without blame; judge it again should it come again."""
    REJECT = auto()
    """Neither, and these bytes never again."""


Validator = Callable[[bytes, PeerId], Verdict]
Publisher = Callable[[bytes], int]
Census = Callable[[], int]


class Gossip:
    """The topic, joined."""

    def __init__(
        self, validate: Validator, publish: Publisher, census: Census, leave: Callable[[], None], counts: Counter[str]
    ) -> None:
        self.dropped = 0
        self._validate = validate
        self._publish = publish
        self._census = census
        self._leave = leave
        self._left = False
        self._counts = counts
        self._send, self.frames = trio.open_memory_channel[tuple[PeerId, bytes]](LIMIT_WAITING_FRAMES)

    async def publish(self, data: bytes) -> int:
        """Send `data` to the topic; returns for how many neighbours it was queued, at once.

        Raises SubstrateError after `leave`.
        """
        await trio.lowlevel.checkpoint()
        if self._left:
            raise SubstrateError("this topic was left")
        return self._publish(data)

    async def leave(self) -> None:
        """Take part no more: neighbours are told, nothing more is delivered or passed on, `frames` ends.

        Frames that were delivered can still be read. The topic can be joined again. Leaving twice does nothing.
        """
        await trio.lowlevel.checkpoint()
        if not self._left:
            self._left = True
            self._leave()
            self.close()

    @property
    def neighbours(self) -> int:
        """Admitted peers that told us they are in this topic."""
        return self._census()

    def judge(self, data: bytes, came_from: PeerId) -> Verdict:
        """The validator's verdict; IGNORE, and counted, when it failed, because then nobody is to blame but us."""
        try:
            verdict = self._validate(data, came_from)
        except Exception as error:  # noqa: BLE001  trap 2: in the library a validator that raises ends the host
            self._counts[f"validator {type(error).__name__}"] += 1
            return Verdict.IGNORE
        self._counts[verdict.name.lower()] += 1
        return verdict

    def deliver(self, data: bytes, came_from: PeerId) -> None:
        """Hand a frame to the reader, or count it as lost."""
        try:
            self._send.send_nowait((came_from, data))
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            self.dropped += 1

    def close(self) -> None:
        """No more frames will come."""
        self._send.close()
