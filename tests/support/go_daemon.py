"""A go-libp2p node in a process of its own: the `p2pd` of tests/neighbours/tools.lock, driven over its control socket.

The daemon's protocol: length-delimited protobuf on a Unix socket, a connection for each request; one that opened a
stream or a subscription carries it from then on. `_MESSAGES` is the part of its p2pd.proto that is used here.
Every call has a deadline.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from libp2p.peer.id import ID
from multiaddr import Multiaddr

__all__ = ["HAS_GO", "P2PD", "GoDaemon", "GoRefused", "GoStream", "go_daemon"]

P2PD: Final = Path(__file__).parents[2] / ".neighbours" / "hivemind" / "hivemind_cli" / "p2pd"
HAS_GO: Final = (platform.system(), platform.machine()) == ("Linux", "x86_64")
"""The wheel carries the daemon for this kind of machine only."""
CALL_SECONDS: Final = 20.0
IDENTIFY, CONNECT, STREAM_OPEN, STREAM_HANDLER, LIST_PEERS, DISCONNECT, PUBSUB = 0, 1, 2, 3, 5, 7, 8
PUBLISH, SUBSCRIBE = 2, 3

_FIELD = descriptor_pb2.FieldDescriptorProto
_KINDS: Final = {
    "int": _FIELD.TYPE_INT64, "enum": _FIELD.TYPE_INT32, "bool": _FIELD.TYPE_BOOL,
    "text": _FIELD.TYPE_STRING, "bytes": _FIELD.TYPE_BYTES,
}  # fmt: skip
# Message → its fields: name, number, kind; `*` before a kind is "repeated".
_MESSAGES: Final[dict[str, list[tuple[str, int, str]]]] = {
    "Connect": [("peer", 1, "bytes"), ("addrs", 2, "*bytes"), ("timeout", 3, "int")],
    "StreamOpen": [("peer", 1, "bytes"), ("proto", 2, "*text"), ("timeout", 3, "int")],
    "StreamHandler": [("addr", 1, "bytes"), ("proto", 2, "*text"), ("balanced", 3, "bool")],
    "Disconnect": [("peer", 1, "bytes")],
    "PubsubRequest": [("type", 1, "enum"), ("topic", 2, "text"), ("data", 3, "bytes")],
    "Request": [
        ("type", 1, "enum"), ("connect", 2, "Connect"), ("streamOpen", 3, "StreamOpen"),
        ("streamHandler", 4, "StreamHandler"), ("disconnect", 7, "Disconnect"), ("pubsub", 8, "PubsubRequest"),
    ],
    "Error": [("msg", 1, "text")],
    "StreamInfo": [("peer", 1, "bytes"), ("addr", 2, "bytes"), ("proto", 3, "text")],
    "Identify": [("id", 1, "bytes"), ("addrs", 2, "*bytes")],
    "PeerInfo": [("id", 1, "bytes"), ("addrs", 2, "*bytes")],
    "PubsubResponse": [("topics", 1, "*text"), ("peerIDs", 2, "*bytes")],
    "Response": [
        ("type", 1, "enum"), ("error", 2, "Error"), ("streamInfo", 3, "StreamInfo"), ("identify", 4, "Identify"),
        ("peers", 6, "*PeerInfo"), ("pubsub", 7, "PubsubResponse"),
    ],
    "PubsubMessage": [
        ("from", 1, "bytes"), ("data", 2, "bytes"), ("seqno", 3, "bytes"), ("topicIDs", 4, "*text"),
        ("signature", 5, "bytes"), ("key", 6, "bytes"),
    ],
}  # fmt: skip


def _classes() -> dict[str, Any]:
    """The message classes of `_MESSAGES`."""
    file = descriptor_pb2.FileDescriptorProto(name="go_daemon.proto", package="go_daemon", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            plain = kind.lstrip("*")
            label = _FIELD.LABEL_REPEATED if kind != plain else _FIELD.LABEL_OPTIONAL
            if plain in _KINDS:
                message.field.add(name=field, number=number, label=label, type=_KINDS[plain])
            else:
                message.field.add(
                    name=field, number=number, label=label, type=_FIELD.TYPE_MESSAGE, type_name=f".go_daemon.{plain}"
                )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"go_daemon.{name}")) for name in _MESSAGES
    }


_CLASS: Final = _classes()


class GoRefused(Exception):
    """The daemon answered with an error; the text is its own."""


class GoStream:
    """A connection to the daemon: delimited messages, or the bytes of a libp2p stream."""

    def __init__(self, socket: trio.SocketStream) -> None:
        self.socket = socket
        self._held = b""

    async def exactly(self, count: int) -> bytes:
        """Read `count` bytes. Raises EOFError when the stream ends before."""
        with trio.fail_after(CALL_SECONDS):
            while len(self._held) < count:
                chunk = await self.socket.receive_some(65536)
                if not chunk:
                    raise EOFError(f"the daemon ended the stream after {len(self._held)} of {count} bytes")
                self._held += chunk
        found, self._held = self._held[:count], self._held[count:]
        return found

    async def write(self, data: bytes) -> None:
        with trio.fail_after(CALL_SECONDS):
            await self.socket.send_all(data)

    async def say(self, message: Any) -> None:
        raw = message.SerializeToString()
        await self.write(_varint(len(raw)) + raw)

    async def hear(self, kind: str) -> Any:
        length = shift = 0
        while True:
            (byte,) = await self.exactly(1)
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return _CLASS[kind].FromString(await self.exactly(length))

    async def answer(self) -> Any:
        """The daemon's answer. Raises GoRefused."""
        answer = await self.hear("Response")
        if answer.type != 0:
            raise GoRefused(answer.error.msg)
        return answer

    async def aclose(self) -> None:
        await self.socket.aclose()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


class GoDaemon:
    """A running go-libp2p node. Made by `go_daemon`."""

    def __init__(self, control: Path, nursery: trio.Nursery, process: trio.Process) -> None:
        self.process = process
        self.peer_id = ""
        self.addresses: list[str] = []
        self._control = control
        self._nursery = nursery
        self._registrations: list[GoStream] = []

    async def close(self) -> None:
        """Give back what is registered with the daemon."""
        for registration in self._registrations:
            await registration.aclose()

    async def _begin(self, kind: int, **details: Any) -> GoStream:
        stream = GoStream(await trio.open_unix_socket(str(self._control)))
        await stream.say(_CLASS["Request"](type=kind, **details))
        return stream

    async def _ask(self, kind: int, **details: Any) -> Any:
        stream = await self._begin(kind, **details)
        try:
            return await stream.answer()
        finally:
            await stream.aclose()

    async def identify(self) -> None:
        """Learn the daemon's own name and addresses."""
        told = (await self._ask(IDENTIFY)).identify
        self.peer_id = ID(told.id).to_base58()
        self.addresses = [f"{Multiaddr(raw)}/p2p/{self.peer_id}" for raw in told.addrs]

    async def dial(self, address: str) -> None:
        """Connect to the peer at `address`, which ends in `/p2p/<PeerId>`. Raises GoRefused."""
        where, _, peer = address.rpartition("/p2p/")
        raw = ID.from_base58(peer).to_bytes()
        await self._ask(CONNECT, connect=_CLASS["Connect"](peer=raw, addrs=[Multiaddr(where).to_bytes()], timeout=15))

    async def hangup(self, peer: str) -> None:
        await self._ask(DISCONNECT, disconnect=_CLASS["Disconnect"](peer=ID.from_base58(peer).to_bytes()))

    async def peers(self) -> dict[str, list[str]]:
        """Who is connected, and at which addresses."""
        told = await self._ask(LIST_PEERS)
        return {ID(one.id).to_base58(): [str(Multiaddr(raw)) for raw in one.addrs] for one in told.peers}

    async def open(self, peer: str, protocol: str) -> GoStream:
        """A stream to a connected peer. Raises GoRefused."""
        raw = ID.from_base58(peer).to_bytes()
        opening = _CLASS["StreamOpen"](peer=raw, proto=[protocol], timeout=10)
        stream = await self._begin(STREAM_OPEN, streamOpen=opening)
        try:
            await stream.answer()
        except BaseException:
            await stream.aclose()
            raise
        return stream

    async def serve(self, protocol: str, handler: Any) -> None:
        """Let `handler(GoStream)` serve each stream that a peer opens to the daemon.

        The daemon forgets a handler when the connection that registered it closes, so that one stays open.
        """
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]

        async def accepted(connection: trio.SocketStream) -> None:
            stream = GoStream(connection)
            try:
                await stream.hear("StreamInfo")
                await handler(stream)
            except (EOFError, trio.BrokenResourceError):
                return  # the peer ended it
            finally:
                await stream.aclose()

        self._nursery.start_soon(trio.serve_listeners, accepted, [listener])
        where = Multiaddr(f"/ip4/127.0.0.1/tcp/{port}").to_bytes()
        handling = _CLASS["StreamHandler"](addr=where, proto=[protocol], balanced=False)
        registration = await self._begin(STREAM_HANDLER, streamHandler=handling)
        await registration.answer()
        self._registrations.append(registration)

    async def subscribe(self, topic: str) -> GoStream:
        """Join `topic`; `hear("PubsubMessage")` on what is returned gives what was said."""
        stream = await self._begin(PUBSUB, pubsub=_CLASS["PubsubRequest"](type=SUBSCRIBE, topic=topic))
        await stream.answer()
        return stream

    async def publish(self, topic: str, data: bytes) -> None:
        await self._ask(PUBSUB, pubsub=_CLASS["PubsubRequest"](type=PUBLISH, topic=topic, data=data))

    async def subscribers(self, topic: str) -> list[str]:
        """Peers that told the daemon they are in `topic`."""
        told = await self._ask(PUBSUB, pubsub=_CLASS["PubsubRequest"](type=1, topic=topic))
        return [ID(raw).to_base58() for raw in told.pubsub.peerIDs]


@asynccontextmanager
async def go_daemon(folder: Path, *options: str, pubsub: bool = False) -> AsyncIterator[GoDaemon]:
    """A go node for as long as the block lasts; its control socket lies in `folder`.

    `options` are more of the daemon's own. `pubsub`: GossipSub in the laxest mode that it has (no signatures made,
    none demanded).
    """
    if not P2PD.exists():
        raise FileNotFoundError("there is no go-libp2p here yet: make neighbours-setup")
    control = folder / "p2pd.sock"
    command = [
        str(P2PD), "-listen", f"/unix{control}", "-hostAddrs", "/ip4/127.0.0.1/tcp/0", "-tls=false", "-quic=false",
        "-bootstrapPeers", "", "-b=false", "-relayDiscovery=false", *options,
    ]  # fmt: skip
    if pubsub:
        command += ["-pubsub", "-pubsubSign=false", "-pubsubSignStrict=false", "-gossipsubHeartbeatInterval=200ms"]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(CALL_SECONDS):  # it says where it listens when it does
                said = b""
                while b"Control socket" not in said:
                    chunk = await process.stdout.receive_some()
                    if not chunk:
                        raise GoRefused(f"the daemon did not start: {said.decode(errors='replace')}")
                    said += chunk
            daemon = GoDaemon(control, nursery, process)
            await daemon.identify()
            try:
                yield daemon
            except Exception as error:  # carried round the nursery, which would wrap it in a group
                failure = error
            await daemon.close()
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
    if failure is not None:
        raise failure
