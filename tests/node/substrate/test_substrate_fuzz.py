"""Spoilt RPCs, spoilt yamux frames and spoilt handshakes without number: refused as what they are, and nothing grows.

GOALS.md B1. A few thousand in an ordinary run, as many as TERTULIA_FUZZ_CASES says by `make fuzz`. The code that takes
them is the host's own, called where the network would; what is beyond is counted and left.
"""

import random
import struct

import pytest
import trio
from google.protobuf.message import DecodeError
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils import encode_varint_prefixed

from tertulia.node.substrate import HostConfig, open_host
from tertulia.node.substrate.channel import Channel, Cipher, Outbox
from tertulia.node.substrate.memory import MemoryNet
from tertulia.node.substrate.peer_ids import library_id
from tertulia.node.substrate.pubsub import LIMIT_TOPICS_PER_PEER
from tertulia.node.substrate.rpc_reader import LIMIT_RPC_BYTES, MalformedRpc, RpcReader
from tertulia.node.substrate.yamux import LIMIT_STREAMS, HostYamux
from tertulia.node.substrate.yamux_stream import ProtocolViolation

pytestmark = pytest.mark.fuzz
TURN = 500  # cases between two moments in which the rest of the host runs
LENGTHS = (0, 1, 2**14, 2**16 - 1, 2**18, 2**18 + 1, 2**20, 2**20 + 1, 2**28, 2**31 - 1, 2**31, 2**32 - 1)
WINDOW_BYTES = 256 * 1024
SYN, FIN, RST = 1, 4, 8


def spoil(dice, data):
    """`data` with something wrong; or nothing, which is a case too."""
    data = bytearray(data)
    for _ in range(dice.randrange(4)):
        place = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0 if data:
                data[place % len(data)] ^= 1 << dice.randrange(8)
            case 1:
                del data[place:]
            case 2:
                data[place:place] = dice.randbytes(dice.randrange(1, 40))
            case 3:
                data += data[place:]
            case _ if data:
                data[place % len(data)] = dice.choice((0, 0x7F, 0x80, 0xFF))
    return bytes(data)


def decent_rpcs(dice):
    ids = [dice.randbytes(32) for _ in range(4)]
    control = rpc_pb2.ControlMessage(
        ihave=[rpc_pb2.ControlIHave(topicID="room", messageIDs=ids)],
        iwant=[rpc_pb2.ControlIWant(messageIDs=ids)],
        graft=[rpc_pb2.ControlGraft(topicID="room")],
        prune=[rpc_pb2.ControlPrune(topicID="room", backoff=2**40)],
    )
    message = rpc_pb2.Message(data=dice.randbytes(200), topicIDs=["room"])
    signed = rpc_pb2.Message(data=b"x", topicIDs=["room"], from_id=b"a", seqno=b"1", signature=b"s", key=b"k")
    return [rpc.SerializeToString() for rpc in (
        rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=f"room {dice.random()}")]),
        rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=False, topicid="room")]),
        rpc_pb2.RPC(publish=[message, message, signed]),
        rpc_pb2.RPC(control=control),
        rpc_pb2.RPC(publish=[message], control=control, senderRecord=b"record"),
    )]  # fmt: skip


async def test_rpcs_with_something_wrong(fuzz_cases, seed, meet, joined, autojump_clock):
    dice, net = random.Random(11), MemoryNet()
    async with (
        open_host(HostConfig(seed(), ("/ip4/10.0.0.1/tcp/1",), network=net)) as host,
        open_host(HostConfig(seed(), network=net)) as neighbour,
    ):
        await meet(neighbour, host)
        line, theirs = await joined((host, neighbour))
        peer = library_id(neighbour.peer_id)
        reader, refused = RpcReader(), 0
        for case in range(fuzz_cases):
            if case % TURN == 0:
                decent = decent_rpcs(dice)
                await trio.sleep(0.1)
            rpc = spoil(dice, encode_varint_prefixed(dice.choice(decent)))
            try:
                for raw in reader.feed(rpc):
                    host.pubsub._obey(peer, neighbour.peer_id, raw)
            except (MalformedRpc, DecodeError):
                refused += 1
                reader = RpcReader()  # its stream would be reset
            assert len(reader._held) <= LIMIT_RPC_BYTES + len(rpc) + 10
            if len(reader._held) > 4096:
                reader = RpcReader()  # waiting for the rest of something large: the next case would be swallowed
        assert refused > fuzz_cases // 100
        assert all(isinstance(topic, str) for topic in host.pubsub.peer_topics)
        assert sum(peer in peers for peers in host.pubsub.peer_topics.values()) <= LIMIT_TOPICS_PER_PEER
        for topic in ("room", *list(host.pubsub.peer_topics)):  # room for its subscription, should all be taken
            host.pubsub.handle_subscription(peer, rpc_pb2.RPC.SubOpts(subscribe=False, topicid=topic))
        host.pubsub.handle_subscription(peer, rpc_pb2.RPC.SubOpts(subscribe=True, topicid="room"))
        await trio.sleep(1000)  # back-offs have passed
        await theirs.publish(b"as before")
        with trio.fail_after(60):
            while (await line.frames.receive())[1] != b"as before":
                pass


class Hole:
    """A socket that takes everything and gives nothing."""

    async def receive(self):
        await trio.sleep_forever()

    def send_now(self, data):
        return len(data)

    async def writable(self):
        await trio.lowlevel.checkpoint()

    async def close(self):
        await trio.lowlevel.checkpoint()


def yamux_frame(dice, streams):
    kind = dice.choice((0, 0, 0, 1, 1, 2, 3, 9)) if dice.random() < 0.5 else dice.choice((0, 1))
    flags = dice.choice((0, 0, SYN, SYN, 2, FIN, RST, 15, 0xFFFF))
    stream = dice.choice((*streams, 0, 1, 2, 3, 5, 7, 2**31, 2**32 - 1))
    body = dice.randbytes(dice.choice((0, 1, 100, 3000)))
    length = len(body) if dice.random() < 0.8 else dice.choice(LENGTHS)
    version = 0 if dice.random() < 0.99 else dice.randrange(256)
    return struct.pack("!BBHII", version, kind, flags, stream, length) + (body if kind == 0 else b"")


async def test_yamux_frames_with_something_wrong(fuzz_cases):
    dice, outbox = random.Random(12), Outbox()
    muxed, violations, ended = None, 0, 0
    for case in range(fuzz_cases):
        if muxed is None:
            channel = Channel(Hole(), Cipher(bytes(32), 0), Cipher(bytes(32), 0), traffic=outbox.traffic)
            muxed = HostYamux(None, ID(bytes(38)), False, channel, outbox)
            streams = [2 * dice.randrange(1, 400) + 1 for _ in range(8)]
        frame = yamux_frame(dice, streams)
        if dice.random() < 0.1:
            frame = spoil(dice, frame)
        muxed._received = bytes(muxed._received) + frame
        try:
            muxed._obey_all()
        except ProtocolViolation:
            violations += 1
            muxed = None
            continue
        assert len(muxed.streams) <= LIMIT_STREAMS
        assert all(len(stream._inbox) <= WINDOW_BYTES for stream in muxed.streams.values())
        assert len(muxed._received) <= WINDOW_BYTES + len(frame)
        if muxed.event_shutting_down.is_set():
            ended += 1
            muxed = None
        elif case % 10 == 0:
            channel.flush()
        if case % TURN == 0:
            await trio.lowlevel.checkpoint()
    assert violations > fuzz_cases // 100
    assert ended > 0


async def test_noise_messages_with_something_wrong(fuzz_cases):
    """Whatever is not what the peer's key made ends the connection; what is, comes whole however it is cut."""
    dice = random.Random(13)
    refused = 0
    for case in range(fuzz_cases):
        sealing, outbox = Cipher(bytes(32), 0), Outbox()
        channel = Channel(Hole(), Cipher(bytes(32), 0), Cipher(bytes(32), 0), traffic=outbox.traffic)
        plain = dice.randbytes(dice.randrange(60))
        sealed = sealing.seal(plain) + sealing.seal(b"next")
        spoilt = spoil(dice, sealed)
        heard = b""
        at = 0
        try:
            while at < len(spoilt):
                size = dice.randrange(1, 60)
                heard += channel._open_all(spoilt[at : at + size])
                at += size
        except ConnectionClosedError:
            refused += 1
        assert (plain + b"next").startswith(heard)
        assert spoilt != sealed or heard == plain + b"next"
        if case % TURN == 0:
            await trio.lowlevel.checkpoint()
    assert refused > fuzz_cases // 10
