"""What hostile neighbours do to a host on loopback, for figures B1 and B2.

GOALS.md B1, B2; tests/node/substrate/test_substrate_siege.py does the same and more, and checks more. Invariants: the
dice are seeded, so that every run does the same; an attacker that is refused or put out goes on with the next.
"""

import random
import secrets
import struct
from collections.abc import Sequence
from contextlib import suppress

import trio
from libp2p.custom_types import TProtocol
from libp2p.pubsub.pb import rpc_pb2

from tertulia.node.substrate import DialFailed, Host, HostConfig, PeerId, StreamFailed, open_host
from tertulia.node.substrate.peer_ids import library_id

MESHSUB = TProtocol("/meshsub/1.1.0")
MULTISTREAM = b"\x13/multistream/1.0.0\n"
TO_NOISE = MULTISTREAM + b"\x07/noise\n"
LENGTHS = (0, 1, 2**14, 2**16 - 1, 2**20, 2**20 + 1, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
MALFORMED = b"\x03\xff\xff\xff"
"""Three bytes that are no protobuf: one is enough to end a host of the library as shipped."""
AT_ONCE = 50
VISITORS = 10
AGAIN_SECONDS = 0.5
SEED_BYTES = 32


def stranger() -> HostConfig:
    """Somebody new, who only dials."""
    return HostConfig(secrets.token_bytes(SEED_BYTES))


async def _connect(port: int) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", port)


async def garbage_connections(port: int, count: int) -> None:
    """Open `count` connections, `AT_ONCE` at a time, that speak nonsense at some point of the handshake."""
    dice = random.Random(7)
    limit = trio.CapacityLimiter(AT_ONCE)

    async def one() -> None:
        opening = dice.choice((b"", MULTISTREAM, TO_NOISE, TO_NOISE + b"\x00\x20"))
        garbage = opening + dice.randbytes(dice.choice((0, 1, 32, 1000, 70_000)))
        async with limit:
            with suppress(OSError, trio.BrokenResourceError), trio.move_on_after(1):
                async with await _connect(port) as stream:
                    await stream.send_all(garbage)
                    await stream.receive_some()

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(one)


def _malformed_rpc(dice: random.Random) -> bytes:
    """An RPC no decent peer sends: no protobuf, cut short, flipped, or of an absurd length."""
    decent = rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid="room" * 10)]).SerializeToString()
    flipped = bytearray(decent)
    flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
    noise = dice.randbytes(100)
    return dice.choice((
        MALFORMED,
        bytes([len(decent)]) + decent[:-3],
        bytes([len(flipped)]) + flipped,
        bytes([len(noise)]) + noise,
        _varint(dice.choice(LENGTHS)) + noise,
    ))  # fmt: skip


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


async def malformed_rpcs(hostile: Host, peer: PeerId, addresses: Sequence[str], count: int) -> None:
    """Write `count` of them as an admitted member, each on a stream of its own."""
    dice = random.Random(9)
    for _ in range(count):
        with suppress(Exception):  # whatever the library makes of a connection that is ended for it
            if not hostile.peers:
                await hostile.dial(addresses)
            stream = await hostile.library.new_stream(library_id(peer), [MESHSUB])
            await stream.write(_malformed_rpc(dice))
            await stream.close()


async def every_length(hostile: Host, peer: PeerId, addresses: Sequence[str], port: int) -> None:
    """An RPC, a line of negotiation and a Noise message of every length at its ends."""
    for length in LENGTHS:
        with suppress(Exception):  # as above
            if not hostile.peers:
                await hostile.dial(addresses)
            stream = await hostile.library.new_stream(library_id(peer), [MESHSUB])
            await stream.write(_varint(length) + bytes(100))
            await stream.reset()
        for opening in (b"", MULTISTREAM, TO_NOISE):
            with suppress(OSError, trio.BrokenResourceError):
                async with await _connect(port) as raw:
                    await raw.send_all(opening + _varint(length) + bytes(100))
                    await raw.send_all((length % 2**16).to_bytes(2, "big") + bytes(100))


def _yamux_garbage(dice: random.Random) -> bytes:
    """A frame a decent muxer never sends."""
    kind, flags = dice.choice((0, 1, 2, 3, 9)), dice.choice((0, 1, 2, 4, 8, 15, 0xFFFF))
    stream, length = dice.choice((0, 1, 2, 3, 2**31, 2**32 - 1)), dice.choice(LENGTHS) % 2**32
    frame = struct.pack("!BBHII", dice.choice((0, 0, 0, 1)), kind, flags, stream, length)
    return dice.choice((frame, frame * 50, frame + dice.randbytes(100), frame[:7], dice.randbytes(200)))


async def malformed_yamux(peer: PeerId, addresses: Sequence[str], count: int) -> None:
    """Connect `count` times and break the muxer."""
    dice = random.Random(8)
    async with open_host(stranger()) as hostile:
        for _ in range(count):
            with suppress(DialFailed):
                await hostile.dial(addresses)
                for connection in hostile.swarm.get_connections()[:1]:
                    channel = connection.muxed_conn.channel  # type: ignore[attr-defined]  # ours, not the library's
                    channel.put(_yamux_garbage(dice))
                    channel.flush()
                await trio.sleep(0.01)
                await hostile.disconnect(peer)


async def say_nothing(port: int, opened: list[int] | None = None) -> None:
    """Hold a connection and say nothing; open it again when it is ended; until cancelled."""
    while True:
        with suppress(OSError, trio.BrokenResourceError):
            async with await _connect(port) as stream:
                if opened is not None:
                    opened.append(port)
                while await stream.receive_some():
                    pass
        await trio.sleep(AGAIN_SECONDS)


async def know_nothing(addresses: Sequence[str]) -> None:
    """Finish every handshake and then say nothing; again when put out; until cancelled."""
    async with open_host(stranger()) as hostile:
        while True:
            with suppress(DialFailed, StreamFailed):
                await hostile.dial(addresses)
                while hostile.peers:  # noqa: ASYNC110  it has no event to wait for
                    await trio.sleep(0.1)
            await trio.sleep(AGAIN_SECONDS)


async def come_and_go(peer: PeerId, addresses: Sequence[str], count: int) -> int:
    """Connect and leave `count` times, shared by `VISITORS`; how many of the connections stood."""
    stood = 0

    async def visits() -> None:
        nonlocal stood
        async with open_host(stranger()) as visitor:
            for _ in range(count // VISITORS):
                with suppress(DialFailed):
                    await visitor.dial(addresses)
                    stood += 1
                    await visitor.disconnect(peer)

    async with trio.open_nursery() as nursery:
        for _ in range(VISITORS):
            nursery.start_soon(visits)
    return stood
