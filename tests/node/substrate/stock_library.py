"""The library as shipped, failing the checks that ours passes: run as `python stock_library.py SCENARIO`, prints JSON.

Each scenario is the same act as in the contract test that calls it. When one of them stops failing here, the patch
beside it can go (docs/upstream.md).
"""

# ruff: noqa: ASYNC110  the library sets no event for what is waited for here

import json
import logging
import secrets
import sys
import threading
from contextlib import AsyncExitStack, asynccontextmanager

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.relay.circuit_v2.config import RelayConfig, RelayRole
from libp2p.relay.circuit_v2.protocol import PROTOCOL_ID as CIRCUIT
from libp2p.relay.circuit_v2.protocol import CircuitV2Protocol
from libp2p.relay.circuit_v2.resources import RelayLimits
from libp2p.relay.circuit_v2.transport import CircuitV2Transport
from libp2p.security.noise.transport import PROTOCOL_ID, Transport
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.tools.anyio_service import background_trio_service
from libp2p.utils import encode_varint_prefixed, read_varint_prefixed_bytes
from multiaddr import Multiaddr

MESHSUB = TProtocol("/meshsub/1.1.0")
LISTEN = Multiaddr("/ip4/127.0.0.1/tcp/0")


def noise_host(seed=None, **options):
    keys = create_new_key_pair(seed or secrets.token_bytes(32))
    return new_host(
        key_pair=keys,
        sec_opt={PROTOCOL_ID: Transport(keys, noise_privkey=new_x25519_key_pair().private_key)},
        connection_config=options.pop("connection_config", ConnectionConfig(min_connections=0, low_watermark=0)),
        **options,
    )


@asynccontextmanager
async def gossiping(validator=None, content_id=lambda message: message.data, signed=False, **options):
    host = noise_host()
    options = {"spam_protection_enabled": False} | options
    router = GossipSub(protocols=[MESHSUB], degree=6, degree_low=4, degree_high=12, heartbeat_interval=1, **options)
    ids = {} if signed else {"msg_id_constructor": content_id}
    pubsub = Pubsub(host, router, strict_signing=signed, **ids)
    async with host.run([LISTEN]), background_trio_service(pubsub), background_trio_service(router):
        await pubsub.wait_until_ready()
        subscription = await pubsub.subscribe("room")
        if validator:
            pubsub.set_topic_validator("room", validator, is_async_validator=False)
        yield host, pubsub, subscription


def where(host):
    return info_from_p2p_addr(host.get_addrs()[0])


async def malformed_rpc():
    """One bad protobuf on /meshsub."""
    died = False
    try:
        async with gossiping() as (victim, *_), gossiping() as (hostile, *_):
            await hostile.connect(where(victim))
            stream = await hostile.new_stream(victim.get_id(), [MESHSUB])
            await stream.write(b"\x03\xff\xff\xff")
            await trio.sleep(1.5)
    except BaseException:
        died = True
    return {"host_died": died}


async def raising_validator():
    """A synchronous validator that raises."""

    def broken(forwarder, message):
        raise RuntimeError("broken")

    died = False
    try:
        async with gossiping(broken) as (victim, *_), gossiping() as (other, pubsub, _):
            await other.connect(where(victim))
            await pubsub.wait_for_subscription(victim.get_id(), "room")
            await pubsub.push_msg(other.get_id(), rpc_pb2.Message(data=b"x", topicIDs=["room"]))
            await trio.sleep(1.5)
    except BaseException:
        died = True
    return {"host_died": died}


async def authorless():
    """Twenty messages without an author, two hosts."""
    got = 0
    async with gossiping() as (a, pubsub_a, _), gossiping() as (b, _, subscription):
        await b.connect(where(a))
        await pubsub_a.wait_for_subscription(b.get_id(), "room")
        await pubsub_a.wait_for_mesh(b.get_id(), "room")
        for number in range(20):
            await pubsub_a.push_msg(a.get_id(), rpc_pb2.Message(data=b"%d" % number, topicIDs=["room"]))
        with trio.move_on_after(2):
            while True:
                await subscription.get()
                got += 1
        await a.close()
        await b.close()
    return {"sent": 20, "delivered": got}


async def dead_then_live():
    """A peer with two addresses, the first of them dead; then the live one alone, at once."""
    first = second = True
    target, dialler = noise_host(), noise_host()
    async with target.run([LISTEN]), dialler.run([]):
        live = where(target)
        dead = Multiaddr("/ip4/127.0.0.1/tcp/1")
        try:
            await dialler.connect(PeerInfo(live.peer_id, [dead, *live.addrs]))
        except Exception:
            first = False
        try:
            await dialler.connect(live)
        except Exception:
            second = False
        await target.close()
        await dialler.close()
    return {"dead_then_live": first, "live_at_once": second}


async def inbound_slots():
    """Five connections one after the other, each closed again, at a host with room for two."""
    target = noise_host(connection_config=ConnectionConfig(
        max_connections=2, min_connections=0, low_watermark=0, high_watermark=2))
    accepted = 0
    async with target.run([LISTEN]):
        for _ in range(5):
            dialler = noise_host()
            async with dialler.run([]):
                try:
                    with trio.fail_after(1):
                        await dialler.connect(where(target))
                    accepted += 1
                except Exception:
                    pass
                await dialler.close()
            await trio.sleep(0.3)
    return {"tried": 5, "accepted": accepted}


async def root_logger():
    """One connection."""
    before = len(logging.getLogger().handlers)
    a, b = noise_host(), noise_host()
    async with a.run([LISTEN]), b.run([]):
        await b.connect(where(a))
        await b.close()
        await a.close()
    return {"before": before, "after": len(logging.getLogger().handlers)}


async def threads():
    """One pubsub, started and stopped."""
    before = threading.active_count()
    async with gossiping() as (host, *_):
        await host.close()
    return {"left": threading.active_count() - before}


async def plaintext():
    """What a host with the default options answers to a peer that asks for no encryption."""
    host = new_host(key_pair=create_new_key_pair(secrets.token_bytes(32)))
    async with host.run([LISTEN]):
        port = int(host.get_addrs()[0].value_for_protocol("tcp"))
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(b"\x13/multistream/1.0.0\n\x11/plaintext/2.0.0\n")
        answer = b""
        with trio.move_on_after(2):
            while b"plaintext" not in answer and b"na\n" not in answer:
                answer += await stream.receive_some(1000)
        await host.close()
    return {"accepted": b"/plaintext/2.0.0" in answer}


async def raising_id():
    """An id function that raises."""

    def broken(message):
        raise RuntimeError("broken")

    died = False
    try:
        async with gossiping(content_id=broken) as (victim, *_), gossiping() as (other, pubsub, _):
            await other.connect(where(victim))
            await pubsub.wait_for_subscription(victim.get_id(), "room")
            await pubsub.push_msg(other.get_id(), rpc_pb2.Message(data=b"x", topicIDs=["room"]))
            await trio.sleep(1.5)
    except BaseException:
        died = True
    return {"host_died": died}


async def heard_of(count, pause, **router):
    """How many of `count` messages, `pause` seconds apart, with authors as shipped, reach a neighbour."""
    got = 0
    async with gossiping(signed=True, **router) as (a, pubsub_a, _), gossiping(signed=True) as (b, _, subscription):
        await b.connect(where(a))
        await pubsub_a.wait_for_subscription(b.get_id(), "room")
        await pubsub_a.wait_for_mesh(b.get_id(), "room")
        for number in range(count):
            await pubsub_a.publish("room", b"%d" % number)
            await trio.sleep(pause)
        with trio.move_on_after(1):
            while True:
                await subscription.get()
                got += 1
        await a.close()
        await b.close()
    return {"sent": count, "delivered": got}


async def spam_guard():
    """Twenty messages within a second, all other options as shipped."""
    return await heard_of(20, 0.005, spam_protection_enabled=True)


async def burst():
    """Sixty messages at once, without the spam guard."""
    return await heard_of(60, 0)


async def window_updates():
    """Twenty messages: how many credit frames the hearing side sends."""
    sent = 0
    write = Yamux._write_frame

    async def counted(self, data):
        nonlocal sent
        sent += data[1] == 1 and not data[3] & 1
        await write(self, data)

    Yamux._write_frame = counted
    return await heard_of(20, 0.02) | {"window_updates": sent}


async def idle_connections():
    """As many connections as there is room for, which say nothing; then a peer that would."""
    target = noise_host(connection_config=ConnectionConfig(
        max_connections=4, min_connections=0, low_watermark=0, high_watermark=4))
    dialler = noise_host()
    async with target.run([LISTEN]), dialler.run([]):
        port = int(target.get_addrs()[0].value_for_protocol("tcp"))
        idle = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(4)]
        await trio.sleep(0.3)
        entered = True
        try:
            with trio.fail_after(2):
                await dialler.connect(where(target))
        except Exception:
            entered = False
        for stream in idle:
            await stream.aclose()
        await dialler.close()
        await target.close()
    return {"idle": 4, "entered": entered}


async def left_open():
    """A host is left, without `close`; whether the other end of its connection hears of it in two seconds."""
    stays, leaves = noise_host(), noise_host()
    async with stays.run([LISTEN]):
        async with leaves.run([]):
            await leaves.connect(where(stays))
        with trio.move_on_after(2):
            while stays.get_network().connections:
                await trio.sleep(0.05)
        connected = bool(stays.get_network().connections)
        await stays.close()
    return {"connected_after_it_left": connected}


async def half_built():
    """A pubsub that is built and not run; somebody opens /meshsub."""
    died = False
    try:
        victim, other = noise_host(), noise_host()
        router = GossipSub(protocols=[MESHSUB], degree=6, degree_low=4, degree_high=12)
        Pubsub(victim, router, strict_signing=False)
        async with victim.run([LISTEN]), other.run([]):
            await other.connect(where(victim))
            stream = await other.new_stream(victim.get_id(), [MESHSUB])
            await stream.write(encode_varint_prefixed(rpc_pb2.RPC(
                subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid="room")]).SerializeToString()))
            await trio.sleep(1)
            await other.close()
            await victim.close()
    except BaseException:
        died = True
    return {"host_died": died}


async def auto_connector():
    """A host that knows a peer's address, with the connection options as shipped, and is told nothing."""
    dialled = 0
    host = noise_host(connection_config=ConnectionConfig(auto_connect_interval=0.5))
    stranger = noise_host()
    swarm = host.get_network()
    dial = swarm.dial_peer

    async def counted(peer):
        nonlocal dialled
        dialled += 1
        return await dial(peer)

    swarm.dial_peer = counted
    host.get_peerstore().add_addrs(stranger.get_id(), [Multiaddr("/dns4/localhost/tcp/1")], 3600)
    async with host.run([]):
        with trio.move_on_after(4):
            while not dialled:
                await trio.sleep(0.05)
        await host.close()
    return {"dialled": dialled > 0}


async def sender_record():
    """The RPCs that a neighbour hears: a hello, then a message; which of them carry a signed record of addresses."""
    heard = []
    listener = noise_host()

    async def listen(stream):
        try:
            while True:
                heard.append(rpc_pb2.RPC.FromString(await read_varint_prefixed_bytes(stream)))
        except Exception:
            return

    listener.set_stream_handler(MESHSUB, listen)
    async with gossiping(signed=True) as (host, pubsub, _), listener.run([LISTEN]):
        await listener.connect(where(host))
        speak = await listener.new_stream(host.get_id(), [MESHSUB])
        await speak.write(encode_varint_prefixed(rpc_pb2.RPC(
            subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid="room")]).SerializeToString()))
        await pubsub.wait_for_subscription(listener.get_id(), "room")
        with trio.move_on_after(10):
            while not any(rpc.publish for rpc in heard):
                await pubsub.publish("room", b"x")
                await trio.sleep(0.5)
        port = where(host).addrs[0].to_bytes()
        await listener.close()
        await host.close()
    messages = [rpc for rpc in heard if rpc.publish]
    return {"heard": bool(messages), "with_record": all(rpc.senderRecord for rpc in messages),
            "with_our_address": all(port[:5] in rpc.senderRecord for rpc in messages)}


async def identify():
    """What a host tells whoever asks."""
    told, asks = noise_host(), noise_host()
    async with told.run([LISTEN]), asks.run([]):
        await asks.connect(where(told))
        stream = await asks.new_stream(told.get_id(), [TProtocol("/ipfs/id/1.0.0")])
        answer = Identify.FromString(await read_varint_prefixed_bytes(stream))
        await asks.close()
        await told.close()
    return {"addresses": len(answer.listen_addrs) > 0, "agent": answer.agent_version.partition("/")[0],
            "record": bool(answer.signedPeerRecord)}


async def dead_circuit():
    """A circuit whose relay cut it: what the caller believes, and what a stream through it meets."""
    limits = RelayLimits(duration=3, data=2**30, max_circuit_conns=8, max_reservations=8)
    relay, behind, caller = noise_host(), noise_host(), noise_host()
    protocols = {host: CircuitV2Protocol(host, limits=limits, allow_hop=host is relay)
                 for host in (relay, behind, caller)}
    roles = {relay: RelayRole.HOP, behind: RelayRole.STOP | RelayRole.CLIENT, caller: RelayRole.CLIENT}
    async with AsyncExitStack() as stack:
        for host, listen in ((relay, [LISTEN]), (behind, []), (caller, [])):
            await stack.enter_async_context(host.run(listen))
            await stack.enter_async_context(background_trio_service(protocols[host]))
        nursery = await stack.enter_async_context(trio.open_nursery())
        transports = {host: CircuitV2Transport(host, protocols[host], RelayConfig(roles=roles[host], limits=limits))
                      for host in protocols}
        at = where(relay)
        await behind.connect(at)
        await caller.connect(at)
        stream = await behind.new_stream(at.peer_id, [CIRCUIT])
        await transports[behind].reserve(stream, at.peer_id, nursery)
        address = Multiaddr(f"{at.addrs[0]}/p2p/{at.peer_id}/p2p-circuit/p2p/{behind.get_id()}")
        by_connect = True
        try:
            await caller.connect(info_from_p2p_addr(address))
        except Exception:
            by_connect = False
        await transports[caller].dial(address)
        await trio.sleep(5)
        standing = behind.get_id() in caller.get_network().connections
        speaks = True
        try:
            with trio.fail_after(2):
                await caller.new_stream(behind.get_id(), [TProtocol("/ipfs/ping/1.0.0")])
        except Exception:
            speaks = False
        nursery.cancel_scope.cancel()
    return {"host_dials_circuits": by_connect, "looks_connected": standing, "speaks": speaks}


async def slow_validator():
    """Three in a ring; a validator that takes its time; one message, which comes to each over two ways."""
    got = 0

    async def slow(forwarder, message):
        await trio.sleep(1)
        return True

    async with gossiping() as (a, pubsub_a, _), gossiping() as (b, pubsub_b, _), gossiping() as (c, pubsub_c, heard):
        pubsub_c.set_topic_validator("room", slow, is_async_validator=True)
        await b.connect(where(a))
        await c.connect(where(a))
        await c.connect(where(b))
        await pubsub_a.wait_for_mesh(c.get_id(), "room")
        await pubsub_b.wait_for_mesh(c.get_id(), "room")
        await pubsub_a.wait_for_mesh(b.get_id(), "room")
        await pubsub_a.push_msg(a.get_id(), rpc_pb2.Message(data=b"x", topicIDs=["room"]))
        with trio.move_on_after(4):
            while True:
                await heard.get()
                got += 1
        for host in (a, b, c):
            await host.close()
    return {"sent": 1, "delivered": got}


async def rapid_redials():
    """A peer with eight connections hangs them all up and dials again at once, as one that re-dials rapidly has."""
    target, seed = noise_host(), secrets.token_bytes(32)
    diallers = [noise_host(seed) for _ in range(9)]
    async with target.run([LISTEN]), AsyncExitStack() as stack:
        for dialler in diallers:
            await stack.enter_async_context(dialler.run([]))
        for dialler in diallers[:8]:
            await dialler.connect(where(target))
        standing = len(target.get_network().get_connections())
        for dialler in diallers[:8]:
            await dialler.get_network().get_connections()[0].muxed_conn.secured_conn.close()
        try:
            with trio.fail_after(10):
                await diallers[8].connect(where(target))
                connection = diallers[8].get_network().get_connections()[0]
                stood = True
                with trio.move_on_after(2):
                    while stood:
                        await trio.sleep(0.02)
                        stood = not connection.muxed_conn.is_closed
        except Exception:
            stood = False
        for host in (target, *diallers):
            await host.close()
    return {"hung_up": standing, "stood": stood}


SCENARIOS = {f.__name__: f for f in (
    malformed_rpc, raising_validator, raising_id, authorless, dead_then_live, inbound_slots, idle_connections,
    root_logger, threads, plaintext, spam_guard, burst, window_updates, left_open, half_built, auto_connector,
    sender_record, identify, dead_circuit, slow_validator, rapid_redials)}

if __name__ == "__main__":
    if sys.argv[1] != "root_logger":
        logging.getLogger().addHandler(logging.NullHandler())
    print(json.dumps(trio.run(SCENARIOS[sys.argv[1]])))
