"""Those who pass by a relay: strangers who try to enter, and members who come, speak, reserve and go.

Part of the citizens' process of relay_crowd.py. Invariant: each has a host of its own, as a citizen has.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import trio

from tertulia.node.clock import wall_clock
from tertulia.node.hello import open_hello
from tertulia.node.substrate import DialFailed, Host, HostConfig, PeerId, StreamFailed, open_host
from tertulia.protocol import feed_messages as messages
from tertulia.protocol import frame as frames
from tertulia.protocol.commons import HELLO_PROTOCOL, Commons
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.feed_messages import FEED_PROTOCOL, LIMIT_CREDIT, LIMIT_TELL, Put, Subscribe, Taken
from tertulia.protocol.frame import Frame, FrameClass, FrameKeys
from tertulia.protocol.item import Item, ItemType

if TYPE_CHECKING:
    from benchmarks.relay_crowd import Crowd

SETTLE_SECONDS = 20.0
AT_ONCE = 8


def seal(commons: Commons, size: FrameClass = FrameClass.SMALL) -> Frame:
    """A frame of the commons that nobody can open."""
    keys = FrameKeys(os.urandom(32), os.urandom(32))
    minute = frames.publication_minute(wall_clock())
    return frames.seal(commons.key, keys, size, minute, os.urandom(24), [Item(ItemType.RECEIPT, b"sealed")])


async def enter(host: Host, commons: Commons, address: str) -> PeerId:
    """Connect and say hello. Raises DialFailed, StreamFailed."""
    peer = await host.dial([address])
    stream = await host.open(peer, HELLO_PROTOCOL)
    await open_hello(stream, commons, host.peer_id, wall_clock)
    await stream.close()
    host.admit(peer)
    return peer


async def outsiders(crowd: Crowd, count: int) -> dict[str, Any]:
    """So many who know the address but not the key try to enter, 8 at once, while a member goes on speaking."""
    passed, refused, waits = 0, 0, list[float]()
    limit = trio.CapacityLimiter(AT_ONCE)
    strangers = Commons(os.urandom(32), 1, "Elsewhere")

    async def outsider() -> None:
        nonlocal passed, refused
        async with limit, open_host(HostConfig(os.urandom(32))) as host:
            try:
                await enter(host, strangers, crowd.address)
                passed += 1
            except (DialFailed, StreamFailed, RemoteError):
                refused += 1

    async def speak(scope: trio.CancelScope) -> None:
        assert crowd.speaker is not None
        with scope:
            while True:
                began = time.perf_counter()
                crowd.taken = trio.Event()
                await crowd.speaker.send(messages.write(Put((seal(crowd.commons).raw,))))
                await crowd.taken.wait()
                waits.append(time.perf_counter() - began)
                await trio.sleep(0.2)

    scope = trio.CancelScope()
    async with trio.open_nursery() as speaking:
        speaking.start_soon(speak, scope)
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(outsider)
        scope.cancel()
    return {"passed": passed, "refused": refused, "frames": len(waits), "worst": max(waits, default=0.0)}


async def churn(crowd: Crowd, count: int, seconds: float) -> dict[str, Any]:
    """For so long, `count` at once who come, speak, fetch or reserve, and go; how many did, how many could not."""
    came = failed = 0

    async def passing(turn: int) -> None:
        async with open_host(HostConfig(os.urandom(32))) as host:
            peer = await enter(host, crowd.commons, crowd.address)
            stream = await host.open(peer, FEED_PROTOCOL)
            await stream.send(messages.write(Subscribe(b"", LIMIT_CREDIT)))
            messages.read_tell(await stream.receive(LIMIT_TELL))
            if turn % 5 == 0:
                await stream.send(messages.write(Put((seal(crowd.commons).raw,))))
                while not isinstance(messages.read_tell(await stream.receive(LIMIT_TELL)), Taken):
                    pass
            if turn % 4 == 0:
                await host.reserve(peer)
            if turn % 3 == 0:
                await stream.close()  # the others leave without a word

    async def seat(scope: trio.CancelScope) -> None:
        nonlocal came, failed
        turn = 0
        while not scope.cancel_called:
            turn += 1
            try:
                with trio.fail_after(SETTLE_SECONDS):
                    await passing(turn)
                came += 1
            except* (DialFailed, StreamFailed, trio.TooSlowError):
                failed += 1

    with trio.move_on_after(seconds) as scope:
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(seat, scope)
    if came:
        await crowd.fetch()
    return {"came": came, "failed": failed}
