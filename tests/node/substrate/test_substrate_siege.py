"""A hostile neighbour for minutes: the host lives, members get in, nothing grows, nothing is left (GOALS.md B1, B2).

TERTULIA_SIEGE=full runs each at the size of the goal; without it they take seconds and a fraction of the size. Every
siege ends the same way: a member connects within five seconds and is heard, and when all have left, memory, tasks,
handles and threads are what they were.
"""

# ruff: noqa: ASYNC110  what another process does is known by asking it

import json
import os
import random
import struct
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
from libp2p.custom_types import TProtocol
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils import encode_varint_prefixed
from multiaddr import Multiaddr

from tertulia.node.substrate import DialFailed, HostConfig, StreamFailed, Verdict, open_host
from tertulia.node.substrate.peer_ids import library_id

FULL = os.environ.get("TERTULIA_SIEGE") == "full"
MESHSUB = TProtocol("/meshsub/1.1.0")
MULTISTREAM = b"\x13/multistream/1.0.0\n"
GROWTH_BYTES = 20 * 2**20
MEMBER_SECONDS = 5.0
DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, RST = 1, 8
LENGTHS = (0, 1, 2**14, 2**16 - 1, 2**20, 2**20 + 1, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def size(full, quick):
    return full if FULL else quick


class Victim:
    """The besieged host's process."""

    def __init__(self, process):
        self._process = process
        self._held = b""
        self.addresses = ()
        self.peer = ""

    async def answer(self):
        while b"\n" not in self._held:
            chunk = await self._process.stdout.receive_some()
            assert chunk, "the besieged host ended"
            self._held += chunk
        line, self._held = self._held.split(b"\n", 1)
        return json.loads(line)

    async def ask(self, **what):
        with trio.fail_after(10):
            await self._process.stdin.send_all(json.dumps(what).encode() + b"\n")
            return await self.answer()

    @property
    def port(self):
        return int(self.addresses[0].split("/")[4])


@asynccontextmanager
async def member_of(victim, seed):
    """A member, connected and heard within its five seconds."""
    async with open_host(HostConfig(seed())) as member:
        await victim.ask(admit=member.peer_id)
        began = trio.current_time()
        for _ in range(3):  # a real member tries again at once
            with suppress(DialFailed):
                await member.dial(victim.addresses)
                break
        member.admit(victim.peer)
        line = await member.join("room", lambda data, peer: Verdict.ACCEPT)
        with trio.fail_after(MEMBER_SECONDS):
            while not line.neighbours:
                await trio.sleep(0.02)
            before = (await victim.ask())["heard"]
            await line.publish(os.urandom(1024))
            while (await victim.ask())["heard"] <= before:
                await trio.sleep(0.02)
        assert trio.current_time() - began <= MEMBER_SECONDS
        yield member, line


@pytest.fixture
def siege(seed):
    """The victim; when the block ends, a member gets in, and everything is as before."""

    @asynccontextmanager
    async def besieged():
        command = [sys.executable, str(Path(__file__).with_name("siege_host.py"))]
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, check=False)
            process = await nursery.start(run)
            victim = Victim(process)
            with trio.fail_after(30):
                start = await victim.answer()
            victim.addresses, victim.peer = start["addresses"], start["peer"]
            for _ in range(3):  # first use of everything, so that what follows is growth
                async with member_of(victim, seed):
                    pass
            await settled(victim, None)
            before = await victim.ask()
            yield victim
            async with member_of(victim, seed):
                pass
            after = await settled(victim, before)
            assert after["rss"] - before["rss"] <= GROWTH_BYTES
            await process.stdin.aclose()
            with trio.fail_after(10):
                assert await process.wait() == 0
            nursery.cancel_scope.cancel()

    return besieged


async def settled(victim, before):
    """All visitors gone; `before`: and tasks, handles and threads as they were."""
    with trio.move_on_after(30):
        while True:
            now = await victim.ask()
            if not now["standing"] and (
                before is None or all(now[key] <= before[key] for key in ("tasks", "handles", "threads"))
            ):
                return now
            await trio.sleep(0.1)
    raise AssertionError(f"still there: {await victim.ask()}, before {before}")


async def connect(victim):
    return await trio.open_tcp_stream("127.0.0.1", victim.port)


async def test_garbage_connections(siege):
    dice = random.Random(7)
    openings = [b"", MULTISTREAM, MULTISTREAM + b"\x07/noise\n", MULTISTREAM + b"\x07/noise\n\x00\x20"]

    async def one(limit):
        async with limit:
            garbage = dice.choice(openings) + dice.randbytes(dice.choice((0, 1, 32, 1000, 70_000)))
            stream = await connect(victim)
            async with stream:
                with suppress(trio.BrokenResourceError), trio.move_on_after(1):
                    await stream.send_all(garbage)
                    await stream.receive_some()

    async with siege() as victim:
        limit = trio.CapacityLimiter(50)
        async with trio.open_nursery() as nursery:
            for _ in range(size(1000, 250)):
                nursery.start_soon(one, limit)


def yamux_garbage(dice):
    """A frame a decent muxer never sends."""
    length = dice.choice([n % 2**32 for n in LENGTHS])
    kind, flags = dice.choice((DATA, WINDOW, PING, GO_AWAY, 9)), dice.choice((0, 1, 2, 4, 8, 15, 0xFFFF))
    stream = dice.choice((0, 1, 2, 3, 2**31, 2**32 - 1))
    frame = struct.pack("!BBHII", dice.choice((0, 0, 0, 1)), kind, flags, stream, length)
    return dice.choice((frame, frame * 50, frame + dice.randbytes(100), frame[:7], dice.randbytes(200)))


async def test_malformed_yamux(siege, seed):
    dice = random.Random(8)
    async with siege() as victim, open_host(HostConfig(seed())) as hostile:
        for _ in range(size(300, 80)):
            with suppress(DialFailed):
                await hostile.dial(victim.addresses)
                channel = hostile.swarm.get_connections()[0].muxed_conn.channel
                channel.put(yamux_garbage(dice))
                channel.flush()
                await trio.sleep(0.01)
                await hostile.disconnect(victim.peer)


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


async def test_every_length_at_its_ends(siege, seed):
    """Of an RPC, of a message on a stream, of a line of negotiation, of a Noise message."""
    async with siege() as victim, open_host(HostConfig(seed())) as hostile:
        await victim.ask(admit=hostile.peer_id)
        await hostile.dial(victim.addresses)
        for length in LENGTHS:
            with suppress(Exception):
                stream = await hostile.library.new_stream(library_id(victim.peer), [MESHSUB])
                await stream.write(varint(length) + b"x" * 100)
                await stream.reset()
            with suppress(Exception):
                stream = await hostile.library.new_stream(library_id(victim.peer), [TProtocol("/siege/echo/1")])
                await stream.write((length % 2**32).to_bytes(4, "big") + b"x" * 100)
                await stream.close()
            for opening in (b"", MULTISTREAM, MULTISTREAM + b"\x07/noise\n"):
                async with await connect(victim) as raw:
                    with suppress(trio.BrokenResourceError):
                        await raw.send_all(opening + varint(length) + b"x" * 100)
                        await raw.send_all((length % 2**16).to_bytes(2, "big") + b"x" * 100)


@asynccontextmanager
async def hostile_member(victim, seed):
    """An admitted peer that will do no good, with a raw pubsub stream."""
    async with open_host(HostConfig(seed())) as hostile:
        await victim.ask(admit=hostile.peer_id)
        await hostile.dial(victim.addresses)
        stream = await hostile.library.new_stream(library_id(victim.peer), [MESHSUB])
        yield hostile, stream


def rpc(**fields):
    return encode_varint_prefixed(rpc_pb2.RPC(**fields).SerializeToString())


SUBSCRIBE = rpc(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid="room")])


async def test_subscribers_that_never_read(siege, seed):
    async with siege() as victim:
        before = (await victim.ask())["rss"]
        async with hostile_member(victim, seed) as (hostile, stream), member_of(victim, seed) as (_, line):
            hostile.admit(victim.peer)
            await stream.write(SUBSCRIBE + rpc(control=rpc_pb2.ControlMessage(
                graft=[rpc_pb2.ControlGraft(topicID="room")])))
            hostile.swarm.get_connections()[0].muxed_conn.channel.receive = trio.sleep_forever
            heard = (await victim.ask())["heard"]
            count = size(8000, 2500)  # of the largest frames there are: 40 MB at the least, which nobody may keep
            for number in range(count):
                await line.publish(number.to_bytes(8, "big") + bytes(16 * 1024 - 8))
                if number % 50 == 0:  # paced, as citizens are: our own queue is bounded as well
                    with trio.fail_after(60):
                        while (await victim.ask())["heard"] < heard + number:
                            await trio.sleep(0.01)
            with trio.fail_after(60):
                while (now := await victim.ask())["heard"] < heard + count:
                    await trio.sleep(0.05)
            assert now["rss"] - before <= GROWTH_BYTES


async def test_a_thousand_streams_held(siege, seed):
    async with siege() as victim, open_host(HostConfig(seed())) as hostile:
        before = (await victim.ask())["rss"]
        for _ in range(2):
            await hostile.swarm.connect(Multiaddr(victim.addresses[0]), library_id(victim.peer))
        for connection in hostile.swarm.get_connections():
            channel = connection.muxed_conn.channel
            for number in range(500):
                channel.put(struct.pack("!BBHII", 0, WINDOW, SYN, 2 * number + 101, 0))
                channel.put(struct.pack("!BBHII", 0, DATA, 0, 2 * number + 101, 1) + b"\x13")  # and nothing more
            channel.flush()
        async with member_of(victim, seed):
            assert (await victim.ask())["rss"] - before <= GROWTH_BYTES


async def test_idle_connections_of_one_address_renewed(siege, seed):
    """Some say nothing, some finish every handshake and then say nothing; each is replaced when it is put out."""
    async with siege() as victim, trio.open_nursery() as nursery:

        async def say_nothing():
            while True:
                async with await connect(victim) as stream:
                    with suppress(trio.BrokenResourceError):
                        while await stream.receive_some():
                            pass
                await trio.sleep(0.5)

        async def know_nothing():
            async with open_host(HostConfig(seed())) as hostile:
                while True:
                    with suppress(DialFailed, StreamFailed):
                        await hostile.dial(victim.addresses)
                        while hostile.peers:
                            await trio.sleep(0.1)
                    await trio.sleep(0.5)

        for number in range(size(300, 120)):
            nursery.start_soon(know_nothing if number % 4 == 0 else say_nothing)
        for _ in range(size(6, 2)):
            await trio.sleep(size(10, 2))
            async with member_of(victim, seed) as (member, line):
                await trio.sleep(size(5, 1))
                assert member.peers  # and a member is not put out
                assert line.neighbours
        assert (await victim.ask())["standing"] <= 256
        nursery.cancel_scope.cancel()


async def test_connections_over_a_lifetime(siege, seed):
    async with siege() as victim:

        async def come_and_go():
            async with open_host(HostConfig(seed())) as visitor:
                for _ in range(size(200, 30)):
                    await visitor.dial(victim.addresses)
                    await visitor.disconnect(victim.peer)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(come_and_go)


async def test_handshakes_a_byte_at_a_time(siege, seed):
    async with siege() as victim, trio.open_nursery() as nursery:

        async def trickle():
            for byte in MULTISTREAM + b"\x07/noise\n\x00\x20":
                async with await connect(victim) as stream:
                    with suppress(trio.BrokenResourceError):
                        for _ in range(30):
                            await stream.send_all(bytes([byte]))
                            await trio.sleep(0.5)

        for _ in range(size(400, 150)):
            nursery.start_soon(trickle)
        await trio.sleep(size(30, 3))
        async with member_of(victim, seed):
            pass
        nursery.cancel_scope.cancel()


FLOODS = {
    "graft and prune": lambda n: rpc_pb2.ControlMessage(
        graft=[rpc_pb2.ControlGraft(topicID="room")] * 10,
        prune=[rpc_pb2.ControlPrune(topicID="room", backoff=n % 3)] * 10,
    ),
    "graft of other topics": lambda n: rpc_pb2.ControlMessage(
        graft=[rpc_pb2.ControlGraft(topicID=f"nowhere {n} {i}") for i in range(30)]
    ),
    "ihave": lambda n: rpc_pb2.ControlMessage(
        ihave=[rpc_pb2.ControlIHave(topicID="room", messageIDs=[(n * 50 + i).to_bytes(32, "big") for i in range(50)])]
    ),
    "iwant": lambda n: rpc_pb2.ControlMessage(
        iwant=[rpc_pb2.ControlIWant(messageIDs=[(n * 50 + i).to_bytes(32, "big") for i in range(50)])]
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_control_without_end(siege, seed, kind):
    async with siege() as victim, hostile_member(victim, seed) as (_, stream):
        await stream.write(SUBSCRIBE)
        for number in range(size(5000, 1000)):
            await stream.write(rpc(control=FLOODS[kind](number)))
        async with member_of(victim, seed) as (_, line):
            assert line.neighbours


async def test_subscriptions_without_end(siege, seed):
    async with siege() as victim, hostile_member(victim, seed) as (_, stream):
        for number in range(size(5000, 1000)):
            topics = [f"{number} {i} {'x' * 100}" for i in range(50)]
            await stream.write(rpc(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=t) for t in topics]))
            await stream.write(rpc(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=False, topicid=t) for t in topics]))
        assert (await victim.ask())["counts"].get("subscription refused", 0) == 0
