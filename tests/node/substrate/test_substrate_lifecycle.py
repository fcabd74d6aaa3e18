"""Start and stop whole, leave nothing, say nothing (traps 3, 4, 9, 10, 13, 14; identify)."""

import gc
import json
import logging
import subprocess
import sys
import threading

import pytest
import trio
import trio.testing
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.pb.identify_pb2 import Identify
from waiting import eventually

from tertulia.node.substrate import DialFailed, HostConfig, SubstrateError, open_host, peer_id_of
from tertulia.node.substrate.peer_ids import library_id

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)


async def one(line):
    with trio.fail_after(10):
        return (await line.frames.receive())[1]


async def test_the_same_key_rejoins_four_times(opened, seed, meet, accept_all):
    key = seed()
    async with opened(listening=1) as (stays,):
        line = await stays.join("room", accept_all)
        for number in range(4):
            async with open_host(HostConfig(key)) as comes:
                assert comes.peer_id == peer_id_of(key)
                mine = await comes.join("room", accept_all)
                await comes.dial(stays.addresses)
                await eventually(lambda: peer_id_of(key) in stays.peers)
                stays.admit(comes.peer_id)
                comes.admit(stays.peer_id)
                await eventually(lambda line=line, mine=mine: line.neighbours == mine.neighbours == 1)
                await mine.publish(b"back %d" % number)
                assert await one(line) == b"back %d" % number
                await line.publish(b"welcome %d" % number)
                heard = b""
                while heard != b"welcome %d" % number:  # what was said in the last seconds is offered to who comes back
                    heard = await one(mine)
            await eventually(lambda: not stays.peers)


async def test_a_restart_that_the_other_side_has_not_noticed(opened, seed, accept_all):
    """The old connection still stands there when the new one comes: the newest carries what follows."""
    key = seed()
    async with opened(listening=1) as (stays,):
        line = await stays.join("room", accept_all)
        (silent,) = [await trio.open_tcp_stream("127.0.0.1", int(stays.addresses[0].split("/")[4]))]
        async with open_host(HostConfig(key)) as first:
            await first.dial(stays.addresses)
            await eventually(lambda: stays.peers)
            async with open_host(HostConfig(key)) as second:
                await second.dial(stays.addresses)
                await eventually(lambda: len(stays.swarm.get_connections()) == 2)
                mine = await second.join("room", accept_all)
                stays.admit(second.peer_id)
                second.admit(stays.peer_id)
                await eventually(lambda: line.neighbours == mine.neighbours == 1)
                await line.publish(b"to the newest")
                assert await one(mine) == b"to the newest"
        await silent.aclose()


async def test_nothing_is_left_running(opened, meet, joined):
    def tasks():
        root = trio.lowlevel.current_root_task()
        queue, found = [root], []
        while queue:
            task = queue.pop()
            found.append(task.name)
            queue.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
        return sorted(found)

    before, threads = tasks(), set(threading.enumerate())
    async with opened(listening=3) as (a, b, c):
        await meet(a, b)
        await meet(b, c)
        lines = await joined((a, b, c))
        await lines[0].publish(b"x")
        assert await one(lines[2]) == b"x"
        assert len(tasks()) > len(before)
        assert {t.name for t in set(threading.enumerate()) - threads if "rio" not in t.name} == set()
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert tasks() == before
    assert {t.name for t in set(threading.enumerate()) - threads if "rio" not in t.name} == set()
    gc.collect()


async def test_the_library_leaves_a_thread(stock):
    assert (await stock("threads"))["left"] >= 1


async def test_an_error_of_the_block_comes_out_as_it_was_raised(seed):
    with pytest.raises(KeyError, match="mine"):
        async with open_host(HostConfig(seed(), LOOPBACK)):
            raise KeyError("mine")


async def test_cancelling_closes(seed):
    with trio.move_on_after(0.2) as scope:
        async with open_host(HostConfig(seed(), LOOPBACK)) as host:
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert not host.swarm.listeners


async def test_events_end_with_the_host(opened):
    async with opened(listening=1) as (host,):
        events = host.events
    with trio.fail_after(1):
        assert [event async for event in events] == []


async def test_three_hundred_lifetime_connections_through_twenty_slots(seed, stock):
    """Each comes and goes; a slot lives as long as its connection."""
    async with open_host(HostConfig(seed(), LOOPBACK, inbound_limit=20)) as host:
        port = int(host.addresses[0].split("/")[4])

        async def come_and_go():
            async with open_host(HostConfig(seed())) as visitor:
                for _ in range(30):
                    await visitor.dial(host.addresses)
                    await visitor.disconnect(host.peer_id)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(come_and_go)
        for _ in range(15):  # and those that never finish a handshake
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(b"\x13/multistream/1.0.0\ngarbage")
            await stream.aclose()
        async with open_host(HostConfig(seed())) as late:
            await eventually(lambda: not host.swarm.inbound.standing)
            assert await late.dial(host.addresses) == host.peer_id
        assert host.swarm.inbound.refused == 0
    assert await stock("inbound_slots") == {"tried": 5, "accepted": 2}


async def test_a_stranger_gives_way_to_a_newcomer_and_a_member_to_nobody(opened, seed):
    host_of_four = HostConfig(seed(), LOOPBACK, inbound_limit=4)  # two strangers of one address
    visitors = [HostConfig(seed()) for _ in range(6)]
    async with opened(host_of_four, *visitors) as (host, member, first, second, third, *late):
        for visitor in (member, first):
            await visitor.dial(host.addresses)
        await eventually(lambda: member.peer_id in host.peers)
        host.admit(member.peer_id)
        for visitor in (second, third):
            await visitor.dial(host.addresses)
        await eventually(lambda: not first.peers)
        assert host.peers == {member.peer_id, second.peer_id, third.peer_id}
        assert host.swarm.inbound.evicted == 1
        for visitor in (second, third):
            host.admit(visitor.peer_id)
        await late[0].dial(host.addresses)
        await eventually(lambda: late[0].peer_id in host.peers)
        host.admit(late[0].peer_id)
        with pytest.raises(DialFailed):  # all are members now
            await late[1].dial(host.addresses)
        await member.disconnect(host.peer_id)
        await eventually(lambda: host.swarm.inbound.standing < 4)
        assert await late[1].dial(host.addresses) == host.peer_id


@pytest.mark.parametrize("protocol", ["/plaintext/2.0.0", "/plaintext/1.0.0", "/secio/1.0.0", "/tls/1.0.0"])
async def test_nothing_but_noise_is_agreed_to(opened, protocol):
    wish = b"\x13/multistream/1.0.0\n" + bytes([len(protocol) + 1]) + protocol.encode() + b"\n"
    async with opened(listening=1) as (host,):
        stream = await trio.open_tcp_stream("127.0.0.1", int(host.addresses[0].split("/")[4]))
        await stream.send_all(wish)
        answer = b""
        with trio.fail_after(5):
            while len(answer) < 24:
                answer += await stream.receive_some(100)
        assert answer == b"\x13/multistream/1.0.0\n\x03na\n"
        await stream.aclose()


async def test_the_library_agrees_to_plaintext(stock):
    assert await stock("plaintext") == {"accepted": True}


async def test_a_plaintext_only_peer_cannot_be_dialled(opened, seed):
    async def plaintext_only(stream):
        async with stream:
            await stream.send_all(b"\x13/multistream/1.0.0\n")
            heard = b""
            while chunk := await stream.receive_some(1000):
                heard += chunk
                if b"/noise" in heard:
                    await stream.send_all(b"\x03na\n")
                    heard = b""

    async with opened(listening=1) as (host,), trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, plaintext_only, [listener])
        port = listener.socket.getsockname()[1]
        with pytest.raises(DialFailed):
            await host.dial([f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer_id_of(seed())}"])
        nursery.cancel_scope.cancel()


MULTISTREAM = b"\x13/multistream/1.0.0\n"
GARBAGE = [
    b"",
    b"\x00" * 100,
    b"\xff" * 100,
    b"GET / HTTP/1.1\r\n\r\n",
    MULTISTREAM + b"\xff\xff\xff\xff\x7f",
    MULTISTREAM + b"\x02\xff\n",
    MULTISTREAM + b"\x07/noise\n\x00\x20" + b"\x01" * 32,
    MULTISTREAM + b"\x07/noise\n\xff\xff" + b"x" * 100,
]


async def test_garbage_connections_change_nothing(opened):
    async with opened(listening=2) as (a, b):
        port = int(b.addresses[0].split("/")[4])
        for garbage in GARBAGE * 5:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            try:
                await stream.send_all(garbage)
                await stream.aclose()
            except trio.BrokenResourceError:
                await stream.aclose()
        await eventually(lambda: not b.swarm.inbound.standing, 15)
        assert await a.dial(b.addresses) == b.peer_id


async def test_identify_says_nothing_of_where_we_are_and_what_we_run(opened, seed):
    async with opened(HostConfig(seed(), LOOPBACK), HostConfig(seed(), LOOPBACK)) as (a, b):
        await a.dial(b.addresses)
        stream = await a.library.new_stream(library_id(b.peer_id), [TProtocol("/ipfs/id/1.0.0")])
        raw = bytearray()
        with trio.fail_after(5):
            try:
                while True:
                    raw += await stream.read(10_000)
            except Exception:
                pass
        answer = Identify.FromString(bytes(raw[1:] if raw[0] < 0x80 else raw[2:]))
        assert not answer.listen_addrs
        assert not answer.observed_addr
        assert not answer.agent_version
        assert not answer.protocol_version
        assert not answer.signedPeerRecord
        assert "/meshsub/1.1.0" in answer.protocols
        assert b"127.0.0.1" not in raw
        assert b"py-libp2p" not in raw


async def test_identify_is_asked_of_nobody_and_pushed_to_nobody(opened, seed, wire, meet, joined):
    taps = [wire(), wire()]
    async with opened(*(HostConfig(seed(), LOOPBACK, tap=tap) for tap in taps)) as (a, b):
        await meet(a, b)
        lines = await joined((a, b))
        await lines[0].publish(b"x")
        assert await one(lines[1]) == b"x"
        for tap in taps:
            assert b"/ipfs/" not in tap.everything
            assert b"/p2p/id/" not in tap.everything


async def test_the_tap_sees_every_payload_as_it_was_sent(opened, seed):
    heard = []
    audited = HostConfig(seed(), LOOPBACK, tap=lambda peer, payload: heard.append((peer, payload)))
    async with opened(audited, HostConfig(seed(), LOOPBACK)) as (a, b):

        async def answer(stream):
            await stream.send(b"pong " + await stream.receive(1000))

        b.serve("/test/planted/1", answer, before_hello=True)
        await a.dial(b.addresses)
        stream = await a.open(b.peer_id, "/test/planted/1")
        await stream.send(b"canary-7261")
        assert await stream.receive(100) == b"pong canary-7261"
        assert {peer for peer, _ in heard} == {b.peer_id}
        everything = b"".join(payload for _, payload in heard)
        for expected in (b"/multistream/1.0.0", b"/yamux/1.0.0", b"/test/planted/1", b"pong canary-7261"):
            assert expected in everything
        assert b"canary-0000" not in everything


def test_the_root_logger_is_left_alone():
    """In a process of its own, because pytest installs handlers of its own."""
    script = """
import json, logging, secrets, trio
from tertulia.node.substrate import HostConfig, open_host
before = list(logging.getLogger().handlers), logging.getLogger().level
async def main():
    async with open_host(HostConfig(secrets.token_bytes(32), ("/ip4/127.0.0.1/tcp/0",))) as a:
        async with open_host(HostConfig(secrets.token_bytes(32))) as b:
            await b.dial(a.addresses)
trio.run(main)
after = list(logging.getLogger().handlers), logging.getLogger().level
print(json.dumps({"unchanged": before == after}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert json.loads(done.stdout) == {"unchanged": True}
    assert done.stderr == b""


async def test_the_library_hijacks_the_root_logger(stock):
    assert await stock("root_logger") == {"before": 0, "after": 1}


async def test_the_library_says_nothing_anywhere(opened, meet, joined, caplog):
    caplog.set_level(logging.DEBUG)
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        lines = await joined((a, b))
        await lines[0].publish(b"secret words")
        assert await one(lines[1]) == b"secret words"
    assert [record for record in caplog.records if record.name.startswith(("libp2p", "multiaddr", "noise"))] == []


def test_the_seed_is_not_shown(seed):
    key = seed()
    assert key.hex() not in repr(HostConfig(key))
    assert repr(key) not in repr(HostConfig(key))
    for bad in (b"", key[:31], key + b"x"):
        with pytest.raises(ValueError):
            HostConfig(bad)
    with pytest.raises(ValueError):
        HostConfig(key, inbound_limit=0)


async def test_a_library_that_fails_underneath_is_one_error(seed):
    async def break_down():
        raise RuntimeError("broken underneath")

    async def run():
        async with open_host(HostConfig(seed(), LOOPBACK)) as host:
            host.swarm.manager.run_task(break_down)
            await trio.sleep_forever()

    with pytest.raises(SubstrateError):
        await run()
