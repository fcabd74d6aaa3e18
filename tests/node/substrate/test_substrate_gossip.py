"""GossipSub without authors: delivered, repaired, judged; and nothing of us on the wire (traps 2, 5, 6, 12, 16)."""

import contextlib
import hashlib
import itertools

import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.stream.exceptions import StreamReset
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils import encode_varint_prefixed
from waiting import eventually

from tertulia.node.substrate import HostConfig, SubstrateError, Verdict
from tertulia.node.substrate.peer_ids import library_id

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)
MESHSUB = TProtocol("/meshsub/1.1.0")


async def take(line, count, seconds=10.0):
    """The next `count` frames, as a set of bytes."""
    got = []
    with trio.fail_after(seconds):
        while len(got) < count:
            got.append((await line.frames.receive())[1])
    return set(got)


def message(data=b"data", **fields):
    return rpc_pb2.Message(data=data, topicIDs=["room"], **fields)


async def hostile_stream(attacker, victim):
    """A raw pubsub stream, on which anything can be said."""
    return await attacker.library.new_stream(library_id(victim.peer_id), [MESHSUB])


async def say(stream, *messages, **fields):
    await stream.write(encode_varint_prefixed(rpc_pb2.RPC(publish=messages, **fields).SerializeToString()))


async def test_a_line_of_four_delivers_everything_and_names_nobody(opened, seed, wire, meet, joined, stock):
    taps = [wire() for _ in range(4)]
    async with opened(*(HostConfig(seed(), LOOPBACK, tap=tap) for tap in taps)) as hosts:
        for a, b in itertools.pairwise(hosts):
            await meet(a, b)
        lines = await joined(hosts)
        sent = {index: {b"%d says %d" % (index, n) for n in range(20)} for index in (0, 1, 3)}
        for index, frames in sent.items():
            for frame in frames:
                assert await lines[index].publish(frame) >= 1
        for index, line in enumerate(lines):
            wanted = set().union(*(frames for author, frames in sent.items() if author != index))
            assert await take(line, len(wanted)) == wanted
            with pytest.raises(trio.WouldBlock):
                line.frames.receive_nowait()
            assert line.dropped == 0
        rpcs = [rpc for tap in taps for rpc in tap.rpcs()]
        carried = [m for rpc in rpcs for m in rpc.publish]
        assert {m.data for m in carried} == set().union(*sent.values())
        for m in carried:
            assert [field.name for field, _ in m.ListFields()] == ["data", "topicIDs"]
            assert m.SerializeToString() == rpc_pb2.Message(data=m.data, topicIDs=["room"]).SerializeToString()
        assert not any(rpc.HasField("senderRecord") for rpc in rpcs)
        for tap in taps:
            for host in hosts:
                raw = b"".join(tap.raw_rpcs())
                assert library_id(host.peer_id).to_bytes() not in raw
                assert host.peer_id.encode() not in raw
    assert (await stock("authorless"))["delivered"] == 1


async def test_a_burst_of_five_hundred_arrives_whole(opened, meet, joined):
    async with opened(listening=3) as (a, b, c):
        await meet(a, b)
        await meet(b, c)
        lines = await joined((a, b, c))
        frames = {hashlib.sha256(b"%d" % n).digest() * 32 for n in range(500)}
        for frame in frames:
            await lines[0].publish(frame)
        assert await take(lines[2], 500, 30) == frames
        assert a.counts["outbound dropped"] == b.counts["outbound dropped"] == 0


async def test_publishing_right_after_joining_reaches_a_peer_that_is_only_just_known(opened, meet, accept_all):
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        line_b = await b.join("room", accept_all)
        line_a = await a.join("room", accept_all)
        await line_a.publish(b"first words")
        assert await take(line_b, 1) == {b"first words"}


async def test_a_frame_published_before_the_peer_came_is_offered_to_it(opened, meet, accept_all):
    async with opened(listening=2) as (a, b):
        line_a = await a.join("room", accept_all)
        line_b = await b.join("room", accept_all)
        assert await line_a.publish(b"anybody?") == 0
        await meet(a, b)
        assert await take(line_b, 1) == {b"anybody?"}


async def test_what_the_mesh_missed_is_repaired_by_ihave_and_iwant(opened, seed, wire, meet, joined):
    taps = [wire(), wire()]
    async with opened(*(HostConfig(seed(), LOOPBACK, tap=tap) for tap in taps)) as (a, b):
        await meet(a, b)
        line_a, line_b = await joined((a, b))
        # `a` leaves `b` out of its mesh and out of its direct targets: only gossip is left.
        a.router.mesh["room"].clear()
        a.router._add_back_off(library_id(b.peer_id), "room", False)
        a.router._targets = lambda topic, came_from: set()
        frames = {b"missed %d" % n for n in range(10)}
        for frame in frames:
            assert await line_a.publish(frame) == 0
        assert await take(line_b, 10, 15) == frames
        offered = {mid for rpc in taps[1].rpcs() for ihave in rpc.control.ihave for mid in ihave.messageIDs}
        asked = {mid for rpc in taps[0].rpcs() for iwant in rpc.control.iwant for mid in iwant.messageIDs}
        assert offered == asked == {hashlib.blake2b(frame, digest_size=32).digest() for frame in frames}


async def test_one_message_is_served_to_one_peer_three_times_at_most(opened, meet, joined):
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        line_a, line_b = await joined((a, b))
        await line_a.publish(b"big" * 1000)
        await take(line_b, 1)
        mid = hashlib.blake2b(b"big" * 1000, digest_size=32).digest()
        stream = await hostile_stream(b, a)
        duplicates = b.counts["duplicate"]
        for _ in range(8):
            await say(stream, control=rpc_pb2.ControlMessage(iwant=[rpc_pb2.ControlIWant(messageIDs=[mid] * 5)]))
        await eventually(lambda: b.counts["duplicate"] - duplicates == 3)
        await line_a.publish(b"and then")
        await take(line_b, 1)
        assert b.counts["duplicate"] - duplicates == 3


@pytest.mark.parametrize("named", ["from_id", "seqno", "signature", "key", "two topics", "no topic", "other topic"])
async def test_a_message_that_names_an_author_is_refused(opened, meet, joined, named):
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        _, line = await joined((a, b))
        stream = await hostile_stream(a, b)
        match named:
            case "two topics":
                bad = rpc_pb2.Message(data=b"bad", topicIDs=["room", "room"])
            case "no topic":
                bad = rpc_pb2.Message(data=b"bad")
            case "other topic":
                bad = rpc_pb2.Message(data=b"bad", topicIDs=["elsewhere"])
            case field:
                bad = message(b"bad", **{field: b"x" * 8})
        await say(stream, bad, message(b"good"))
        assert await take(line, 1) == {b"good"}
        assert b.counts["author refused"] + b.counts["other topic"] == 1


async def test_a_signed_message_as_the_library_makes_it_is_refused(opened, meet, joined):
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        _, line = await joined((a, b))
        keys = create_new_key_pair(bytes(32))
        signed = message(b"signed", from_id=b"\x00$\x08\x01\x12 " + keys.public_key.to_bytes(), seqno=bytes(8))
        signed.signature = keys.private_key.sign(b"libp2p-pubsub:" + signed.SerializeToString())
        stream = await hostile_stream(a, b)
        await say(stream, signed, message(b"good"))
        assert await take(line, 1) == {b"good"}
        assert b.counts["author refused"] == 1


async def test_what_a_peer_hides_in_unknown_fields_is_not_forwarded(opened, seed, wire, meet, joined):
    tap = wire()
    configs = [HostConfig(seed(), LOOPBACK), HostConfig(seed(), LOOPBACK), HostConfig(seed(), LOOPBACK, tap=tap)]
    async with opened(*configs) as (a, b, c):
        await meet(a, b)
        await meet(b, c)
        lines = await joined((a, b, c))
        stream = await hostile_stream(a, b)
        smuggled = message(b"plain").SerializeToString() + b"\x7a\x06HIDDEN"  # field 15
        await stream.write(encode_varint_prefixed(b"\x12" + bytes([len(smuggled)]) + smuggled))
        assert await take(lines[2], 1) == {b"plain"}
        assert b"HIDDEN" not in tap.everything


MALFORMED = {
    "not a protobuf": b"\x03\xff\xff\xff",
    "a wrong wire type": encode_varint_prefixed(b"\x12\x05\x12\x7fabc"),
    "a length beyond any bound": b"\xff\xff\xff\xff\x7f",
    "a length of two megabytes": b"\x80\x80\x80\x01",
    "a topic that is not text": encode_varint_prefixed(b"\x12\x06\x12\x01x\x22\x01\xff"),
    "a thousand grafts": encode_varint_prefixed(
        rpc_pb2.RPC(control={"graft": [{"topicID": f"t{n}"} for n in range(1000)]}).SerializeToString()
    ),
    "a thousand subscriptions": encode_varint_prefixed(
        rpc_pb2.RPC(subscriptions=[{"subscribe": True, "topicid": f"t{n}"} for n in range(1000)]).SerializeToString()
    ),
    "ten thousand messages": encode_varint_prefixed(rpc_pb2.RPC(publish=[{"data": b"x"}] * 10_000).SerializeToString()),
}


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_rpc_ends_its_stream_and_nothing_else(opened, meet, joined, bad):
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        line_a, line_b = await joined((a, b))
        stream = await hostile_stream(a, b)
        await stream.write(bad)
        await eventually(lambda: any(kind.startswith("handler") for kind in b.counts))
        a.pubsub.connection_changed(library_id(b.peer_id), None)
        await line_b.publish(b"still speaking")
        assert await take(line_a, 1) == {b"still speaking"}
        again = await hostile_stream(a, b)
        await say(again, message(b"still hearing"))
        assert await take(line_b, 1) == {b"still hearing"}


async def test_three_hundred_malformed_rpcs_later_the_host_is_as_before(opened, meet, joined):
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        _, line = await joined((a, b))
        for number in range(300):
            stream = await hostile_stream(a, b)
            with contextlib.suppress(StreamReset):  # the neighbour's own stream may come between, and the newer wins
                await stream.write(bytes([3, number % 256, 0xFF, number % 7]))
            await stream.reset()
        stream = await hostile_stream(a, b)
        await say(stream, message(b"here"))
        assert await take(line, 1) == {b"here"}


async def test_a_validator_that_raises_is_counted_and_ends_nothing(opened, meet, joined, stock):
    def judge(data, came_from):
        if data == b"poison":
            raise RuntimeError("broken")
        return Verdict.ACCEPT

    async with opened(listening=2) as (a, b):
        await meet(a, b)
        line_a, line_b = await joined((a, b), validate=judge)
        await line_a.publish(b"poison")
        await eventually(lambda: b.counts["validator RuntimeError"])
        await line_a.publish(b"fine")
        assert await take(line_b, 1) == {b"fine"}
    assert await stock("raising_validator") == {"host_died": True}


async def test_verdicts(opened, meet, joined):
    """Only what is accepted is delivered and forwarded; the ignored may be judged again, the rejected may not."""
    asked = []

    def judge(data, came_from):
        asked.append((data, came_from))
        return {b"a": Verdict.ACCEPT, b"i": Verdict.IGNORE, b"r": Verdict.REJECT}[data[:1]]

    async with opened(listening=3) as (a, b, c):
        await meet(a, b)
        await meet(b, c)
        line_a = await a.join("room", judge)
        line_b = await b.join("room", judge)
        line_c = await c.join("room", lambda data, came_from: Verdict.ACCEPT)
        await eventually(lambda: line_b.neighbours == 2 and line_a.neighbours == line_c.neighbours == 1)
        stream = await hostile_stream(a, b)
        for _ in range(2):
            await say(stream, message(b"ignore"), message(b"reject"), message(b"accept"))
        await say(stream, message(b"accept too"))
        assert await take(line_c, 2) == {b"accept", b"accept too"}
        assert await take(line_b, 2) == {b"accept", b"accept too"}
        judged = [data for data, came_from in asked if came_from == a.peer_id]
        assert judged == [b"ignore", b"reject", b"accept", b"ignore", b"accept too"]
        assert b.counts["reject"] == 1
        assert b.counts["ignore"] == 2


async def test_our_own_frames_do_not_come_back(opened, meet, joined):
    async with opened(listening=3) as (a, b, c):
        for left, right in ((a, b), (b, c), (c, a)):
            await meet(left, right)
        lines = await joined((a, b, c))
        await lines[0].publish(b"mine")
        for line in lines[1:]:
            assert await take(line, 1) == {b"mine"}
        await lines[1].publish(b"yours")
        assert await take(lines[0], 1) == {b"yours"}


async def test_publishing_again_is_sending_again(opened, meet, joined):
    """An outbox repeats what nobody confirmed; a neighbour that has it counts a duplicate."""
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        line_a, line_b = await joined((a, b))
        for _ in range(3):
            assert await line_a.publish(b"again") == 1
        await eventually(lambda: b.counts["duplicate"] == 2)
        assert await take(line_b, 1) == {b"again"}


async def test_a_reader_that_is_too_slow_loses_frames_and_they_are_counted(opened, meet, joined, monkeypatch):
    monkeypatch.setattr("tertulia.node.substrate.gossip.LIMIT_WAITING_FRAMES", 10)
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        line_a, line_b = await joined((a, b))
        for number in range(25):
            await line_a.publish(b"%d" % number)
        await eventually(lambda: line_b.dropped == 15)
        assert len(await take(line_b, 10)) == 10


async def test_a_topic_is_joined_once(opened, accept_all):
    async with opened(listening=1) as (host,):
        await host.join("room", accept_all)
        with pytest.raises(SubstrateError):
            await host.join("room", accept_all)


async def test_topics_do_not_mix(opened, meet, accept_all):
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        here_a, there_a = await a.join("here", accept_all), await a.join("there", accept_all)
        here_b, there_b = await b.join("here", accept_all), await b.join("there", accept_all)
        await eventually(lambda: here_a.neighbours and there_a.neighbours)
        await here_a.publish(b"same")
        await there_a.publish(b"other")
        assert await take(here_b, 1) == {b"same"}
        assert await take(there_b, 1) == {b"other"}


async def test_a_prune_for_a_thousand_years_is_bounded(opened, meet, joined):
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        await joined((a, b))
        await eventually(lambda: library_id(a.peer_id) in b.router.mesh["room"])
        stream = await hostile_stream(a, b)
        control = rpc_pb2.ControlMessage(prune=[rpc_pb2.ControlPrune(topicID="room", backoff=2**63)])
        await say(stream, control=control)
        await eventually(lambda: library_id(a.peer_id) in b.router._quiet_until.get("room", {}))
        assert b.router._quiet_until["room"][library_id(a.peer_id)] <= trio.current_time() + 601
