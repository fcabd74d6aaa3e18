"""Two hosts that trust each other, and a stream between them whose every message is noted."""

from __future__ import annotations

from carriers import host
from waiting import eventually

from tertulia.node.substrate import PeerId, StreamFailed
from tertulia.protocol import sync_messages as messages
from tertulia.protocol.sync_messages import SYNC_PROTOCOL, Frames, Give


async def connect(answering, asking) -> PeerId:
    peer = await asking.dial(answering.addresses)
    await eventually(lambda: asking.peer_id in answering.peers, 5)
    answering.admit(asking.peer_id)
    return peer


async def meet(serve, run, there: bytes | None = None, here: bytes | None = None) -> None:
    """Two hosts that trust each other; `serve(stream)` answers at one, `run(stream)` asks at the other.

    They have fresh PeerIds, unless they are given seeds.
    """
    async with host(seed=there) as answering, host(listen=False, seed=here) as asking:
        answering.serve(SYNC_PROTOCOL, serve)
        peer = await connect(answering, asking)
        await run(await asking.open(peer, SYNC_PROTOCOL))


class Watched:
    """A stream, and what went over it."""

    def __init__(self, stream, most_frames: int = 10**9) -> None:
        self.peer, self._stream, self._left = stream.peer, stream, most_frames
        self.sent: list[bytes] = []
        self.frames: list[bytes] = []

    async def _note(self, data: bytes) -> None:
        self.sent.append(data)
        message = messages.read(data)
        if isinstance(message, Frames | Give):
            self.frames.extend(message.raws)
            self._left -= len(message.raws)
            if self._left < 0:
                await self._stream.reset()
                raise StreamFailed("cut off by the test")

    async def send(self, data: bytes) -> None:
        await self._note(data)
        await self._stream.send(data)

    async def receive(self, limit: int, *, seconds: float) -> bytes:
        data = await self._stream.receive(limit, seconds=seconds)
        await self._note(data)
        return data
