"""What the tests beside other implementations share: our hosts on loopback, js peers, waits with a deadline."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from tertulia.node.substrate import Gossip, Host, HostConfig, PeerId, Stream, Verdict, open_host

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)
ECHO = "/tertulia-test/echo/1"
LIMIT_ECHO = 4 * 1024 * 1024


async def _serve_echo(stream: Stream) -> None:
    while True:
        await stream.send(await stream.receive(LIMIT_ECHO))


@pytest.fixture
def our_host():
    """A host of ours with a fresh key; it serves echo to everyone, and listens unless told otherwise."""

    @asynccontextmanager
    async def open_one(listen: bool = True, tap=None) -> AsyncIterator[Host]:
        config = HostConfig(os.urandom(32), LOOPBACK if listen else (), tap=tap)
        async with open_host(config) as host:
            host.serve(ECHO, _serve_echo, before_hello=True)
            yield host

    return open_one


@pytest.fixture
def exact():
    """Read exactly so many bytes from a stream of the library."""

    async def read(stream, count: int) -> bytes:
        held = b""
        with trio.fail_after(10):
            while len(held) < count:
                held += await stream.read(count - len(held))
        return held

    return read


@pytest.fixture
def echoed():
    """Whether a message of `size` random bytes comes back from `peer`."""

    async def ask(host: Host, peer: str, size: int) -> bool:
        message = os.urandom(size)
        stream = await host.open(PeerId(peer), ECHO)
        await stream.send(message)
        back = await stream.receive(LIMIT_ECHO)
        await stream.close()
        return back == message

    return ask


@pytest.fixture
def hear():
    """Take frames from a topic until all of `wanted` came; what else came is returned."""

    async def collect(line: Gossip, wanted: set[bytes], seconds: float = 30.0) -> list[bytes]:
        missing, others = set(wanted), []
        with trio.fail_after(seconds):
            while missing:
                _, data = await line.frames.receive()
                if data in missing:
                    missing.remove(data)
                else:
                    others.append(data)
        return others

    return collect


@pytest.fixture
def accept_all():
    return lambda data, came_from: Verdict.ACCEPT
