"""What the contract tests of the substrate share: hosts on loopback, their wire, the stock library beside them."""

import hashlib
import itertools
import json
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio
from libp2p.pubsub.pb import rpc_pb2
from waiting import eventually

from tertulia.node.substrate import Gossip, Host, HostConfig, Verdict, open_host

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)
_numbers = itertools.count()


@pytest.fixture
def seed() -> Callable[[], bytes]:
    """A fresh key seed at each call."""
    return lambda: hashlib.sha256(f"test host {next(_numbers)}".encode()).digest()


@pytest.fixture
def opened(seed):
    """Open several hosts: a number of listening ones, or one for each HostConfig."""

    @asynccontextmanager
    async def open_several(*configs: HostConfig, listening: int = 0) -> AsyncIterator[list[Host]]:
        wanted = list(configs) + [HostConfig(seed(), LOOPBACK) for _ in range(listening)]
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(open_host(config)) for config in wanted]

    return open_several


@pytest.fixture
def meet():
    """Connect hosts `a` and `b`, admit each at the other, and wait until both know they share `topic`."""

    async def introduce(a: Host, b: Host) -> None:
        await a.dial(b.addresses)
        await eventually(lambda: a.peer_id in b.peers)
        a.admit(b.peer_id)
        b.admit(a.peer_id)

    return introduce


@pytest.fixture
def accept_all():
    return lambda data, came_from: Verdict.ACCEPT


@pytest.fixture
def joined():
    """Join all `hosts` to a topic; wait until each knows as many neighbours as it has admitted peers."""

    async def join(hosts: Iterable[Host], topic: str = "room", validate=None) -> list[Gossip]:
        hosts = list(hosts)
        lines = [await host.join(topic, validate or (lambda data, came_from: Verdict.ACCEPT)) for host in hosts]
        for host, line in zip(hosts, lines, strict=True):
            await eventually(lambda host=host, line=line: line.neighbours == len(host.peers))
        return lines

    return join


class Wire:
    """A tap, and the pubsub RPCs in what it heard."""

    def __init__(self) -> None:
        self.heard: dict[str, bytearray] = {}

    def __call__(self, peer: str, payload: bytes) -> None:
        self.heard.setdefault(peer, bytearray()).extend(payload)

    @property
    def everything(self) -> bytes:
        return b"".join(self.heard.values())

    def raw_rpcs(self) -> list[bytes]:
        """Each pubsub RPC received, as it stood on the wire."""
        return [rpc for heard in self.heard.values() for rpc in _rpcs(bytes(heard))]

    def rpcs(self) -> list[rpc_pb2.RPC]:
        return [rpc_pb2.RPC.FromString(raw) for raw in self.raw_rpcs()]

    def frame_types(self) -> list[int]:
        """The type of each yamux frame received."""
        return [kind for heard in self.heard.values() for kind, _, _ in _frames(bytes(heard))]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def _frames(heard: bytes) -> list[tuple[int, int, bytes]]:
    at = 0
    while True:  # the negotiation of the muxer comes first
        length, at = _varint(heard, at)
        line, at = heard[at : at + length], at + length
        if line == b"/yamux/1.0.0\n":
            break
    frames = []
    while at + 12 <= len(heard):
        _, kind, _, stream, length = struct.unpack_from("!BBHII", heard, at)
        body = length if kind == 0 else 0
        frames.append((kind, stream, heard[at + 12 : at + 12 + body]))
        at += 12 + body
    return frames


def _rpcs(heard: bytes) -> list[bytes]:
    streams: dict[int, bytearray] = {}
    for kind, stream, body in _frames(heard):
        if kind == 0:
            streams.setdefault(stream, bytearray()).extend(body)
    rpcs = []
    opening = b"\x13/multistream/1.0.0\n\x0f/meshsub/1.1.0\n"
    for data in streams.values():
        if not data.startswith(opening):
            continue
        at = len(opening)
        while at < len(data):
            length, at = _varint(data, at)
            rpcs.append(bytes(data[at : at + length]))
            at += length
    return rpcs


@pytest.fixture
def wire():
    """Makes taps."""
    return Wire


@pytest.fixture
def stock():
    """Run one scenario of `stock_library.py` in a process of its own, with the library as shipped; its JSON."""

    async def run(scenario: str) -> dict[str, object]:
        script = Path(__file__).with_name("stock_library.py")
        command = [sys.executable, str(script), scenario]
        done = await trio.run_process(command, capture_stdout=True, stderr=subprocess.DEVNULL)
        return json.loads(done.stdout.splitlines()[-1])

    return run
