"""node/substrate beside js-libp2p 3.3.11: connections, identify, ping, streams, and dialling again and again."""

import hashlib
import os

import pytest
import trio
from js_peer import JsRefused, js_peer
from libp2p.host.ping import ID as PING
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.utils import read_varint_prefixed_bytes
from waiting import eventually

from tertulia.node.substrate import DialFailed, PeerDown, PeerId, PeerUp, StreamFailed
from tertulia.node.substrate.peer_ids import library_id

REDIALS = 200
FLOOD = 16 * 2**20
SINK = "/tertulia-test/sink/1"
SIZES = pytest.mark.parametrize("size", [0, 1, 1_000, 300_000])


@pytest.fixture
async def pair(our_host):
    """A host of ours and a js peer that dialled it."""
    async with our_host() as host, js_peer(listen=True) as js:
        connection = await js.do("dial", address=host.addresses[0])
        assert connection == {
            "peer": host.peer_id, "encryption": "/noise", "multiplexer": "/yamux/1.0.0", "limited": False,
        }
        yield host, js


async def test_js_dials_us_and_leaves(pair):
    host, js = pair
    with trio.fail_after(10):
        assert await host.events.receive() == PeerUp(PeerId(js.peer_id), dialled=False)
        await js.do("hangup", peer=host.peer_id)
        assert await host.events.receive() == PeerDown(PeerId(js.peer_id))


async def test_we_dial_js_and_leave(our_host):
    async with our_host(listen=False) as host, js_peer(listen=True) as js:
        assert await host.dial(js.addresses) == js.peer_id
        assert (await js.event("up"))["peer"] == host.peer_id
        await host.disconnect(PeerId(js.peer_id))
        assert (await js.event("down"))["peer"] == host.peer_id


async def test_js_learns_from_identify_what_we_speak_and_nothing_else(pair):
    host, js = pair
    told = await js.do("identify", peer=host.peer_id)
    assert told == {
        "agent": "", "version": "", "addresses": [], "record": False,
        "protocols": ["/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/meshsub/1.1.0", "/tertulia-test/echo/1"],
    }


async def test_js_answers_our_identify(pair):
    host, js = pair
    stream = await host.library.new_stream(library_id(PeerId(js.peer_id)), [IDENTIFY])
    with trio.fail_after(10):
        answer = Identify.FromString(await read_varint_prefixed_bytes(stream))
    assert answer.agent_version.startswith("js-libp2p/3.3.11")
    assert "/tertulia-test/echo/1" in answer.protocols


async def test_ping_both_ways(pair, exact):
    host, js = pair
    assert await js.do("ping", peer=host.peer_id) >= 0
    stream = await host.library.new_stream(library_id(PeerId(js.peer_id)), [PING])
    for turn in range(3):
        await stream.write(bytes([turn]) * 32)
        assert await exact(stream, 32) == bytes([turn]) * 32


@SIZES
async def test_js_gets_back_what_it_sent_us(pair, size):
    host, js = pair
    assert await js.do("echo", peer=host.peer_id, size=size) is True


@SIZES
async def test_we_get_back_what_we_sent_js(pair, echoed, size):
    host, js = pair
    assert await echoed(host, js.peer_id, size)


async def test_sixteen_megabytes_to_js_need_its_credit_again_and_again(pair):
    host, js = pair
    whole, chunk = hashlib.sha256(), os.urandom(64 * 1024)
    stream = await host.open(PeerId(js.peer_id), SINK)
    for _ in range(FLOOD // len(chunk)):
        await stream.send(chunk)
        whole.update(len(chunk).to_bytes(4, "big") + chunk)
    await stream.close()
    drained = await js.event("drained")
    assert drained["bytes"] == FLOOD + 4 * FLOOD // len(chunk)
    assert drained["sha256"] == whole.hexdigest()


async def test_sixteen_megabytes_from_js_need_our_credit_again_and_again(pair):
    host, js = pair
    count, ended = 0, trio.Event()

    async def drain(stream) -> None:
        nonlocal count
        try:
            while True:
                count += len(await stream._stream.read(64 * 1024))
        except StreamEOF:
            ended.set()

    host.serve(SINK, drain, before_hello=True)
    await js.do("pour", peer=host.peer_id, bytes=FLOOD)
    with trio.fail_after(30):
        await ended.wait()
    assert count == FLOOD


async def test_twenty_streams_at_once(pair, echoed):
    host, js = pair
    done = []

    async def one() -> None:
        assert await echoed(host, js.peer_id, 50_000)
        done.append(1)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
    assert len(done) == 20


async def test_a_protocol_that_the_other_side_lacks(pair):
    host, js = pair
    with pytest.raises(StreamFailed):
        await host.open(PeerId(js.peer_id), "/tertulia-test/nobody/1")
    with pytest.raises(JsRefused, match="UnsupportedProtocol"):
        await js.do("raw", peer=host.peer_id, protocol="/tertulia-test/nobody/1", data="00")


@pytest.mark.parametrize("ping", [False, True], ids=["at once", "after a ping"])
async def test_js_redials_us_two_hundred_times_without_a_failure(our_host, ping):
    async with our_host() as host, js_peer() as js:
        assert await js.do("redial", address=host.addresses[0], times=REDIALS, ping=ping, seconds=180) == []
        await eventually(lambda: not host.peers)


async def test_we_redial_js_two_hundred_times_without_a_failure(our_host, echoed):
    """Four hosts of ours, because closing a connection takes the library a tenth of a second."""
    done = []

    async def redial() -> None:
        async with our_host(listen=False) as host:
            for _ in range(REDIALS // 4):
                await host.dial(js.addresses)
                assert await echoed(host, js.peer_id, 100)
                await host.disconnect(PeerId(js.peer_id))
                assert not host.peers
                done.append(1)

    async with js_peer(listen=True) as js:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(redial)
    assert len(done) == REDIALS


async def test_four_js_peers_redial_at_once(our_host):
    failures: list[str] = []

    async def redial(js) -> None:
        failures.extend(await js.do("redial", address=host.addresses[0], times=25, ping=True, seconds=180))

    async with our_host() as host, js_peer() as a, js_peer() as b, js_peer() as c, js_peer() as d:
        async with trio.open_nursery() as nursery:
            for js in (a, b, c, d):
                nursery.start_soon(redial, js)
        assert failures == []


async def test_exception_js_refuses_the_sixth_connection_a_second_and_takes_it_later(our_host):
    """Its threshold is of its own; what matters here is that a refusal leaves no memory with us."""
    async with our_host(listen=False) as host, js_peer(listen=True, crowded=True) as js:

        async def dialled() -> bool:
            try:
                await host.dial(js.addresses)
            except DialFailed:
                return False
            await host.disconnect(PeerId(js.peer_id))
            return True

        with trio.fail_after(20):
            while await dialled():
                pass
        await eventually(dialled)


@pytest.mark.parametrize("kind", ["secp256k1", "RSA"])
async def test_exception_a_peer_with_a_key_of_another_kind_is_refused(our_host, kind):
    async with our_host() as host, js_peer(listen=True, key=kind) as js:
        with pytest.raises(DialFailed):
            await host.dial(js.addresses)
        assert len(await js.do("redial", address=host.addresses[0], times=1, ping=True)) == 1
        assert not host.peers
