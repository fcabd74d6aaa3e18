"""The pubsub without authors: who hears us, whom we hear, what is judged, delivered and forwarded.

GossipSub v1.1 with PROTOCOL.md §9: data and topic only, the message id is BLAKE2b-256 of the data. A subclass of the
library's Pubsub for traps 1, 2, 6, 10, 12, 14, 16 and levers 4 and 5 of the research. Invariants: nothing is said to a
peer, and nothing heard from it, before the gate admits it; a message that names an author, a number, a signature or a
key is refused; between the seen-check and the seen-mark there is no await; only data and topic are ever forwarded.
"""

import hashlib
from collections import Counter
from collections.abc import KeysView
from typing import cast

import trio
from libp2p.abc import INetStream
from libp2p.host.basic_host import BasicHost
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.stream.net_stream import NetStream
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.pubsub_notifee import PubsubNotifee
from libp2p.tools.timed_cache.last_seen_cache import LastSeenCache

from tertulia.node.substrate.errors import SubstrateError
from tertulia.node.substrate.gate import Gate
from tertulia.node.substrate.gossip import Gossip, Validator, Verdict
from tertulia.node.substrate.gossipsub import CONTENT_ID_BYTES, MESHSUB_PROTOCOL, AuthorlessGossipSub, delimited
from tertulia.node.substrate.guard import reset_quietly
from tertulia.node.substrate.outbound import OutboundQueue
from tertulia.node.substrate.peer_ids import PeerId, text_of
from tertulia.node.substrate.rpc_reader import LIMIT_RPC_BYTES, MalformedRpc, RpcReader
from tertulia.node.substrate.seen import SeenIds
from tertulia.node.substrate.swarm import HostSwarm
from tertulia.node.substrate.yamux_stream import HostYamuxStream

EARLY_STREAM_SECONDS = 30.0
REOPEN_SECONDS = 0.1
REOPEN_LONGEST_SECONDS = 10.0
STEADY_SECONDS = 30.0
LIMIT_TOPICS_PER_PEER = 64
LIMIT_TOPIC_CHARACTERS = 128
LIMIT_MESSAGES_PER_RPC = 1024
LIMIT_ENTRIES_PER_CONTROL = 64


def content_id(message: rpc_pb2.Message) -> bytes:
    """The id of a message: BLAKE2b-256 of its data, and of nothing else (PROTOCOL.md §9). Total."""
    return hashlib.blake2b(message.data, digest_size=CONTENT_ID_BYTES).digest()


class AuthorlessPubsub(Pubsub):
    """See the module's head."""

    router: AuthorlessGossipSub
    seen_messages: SeenIds  # type: ignore[assignment]

    def __init__(
        self, host: BasicHost, swarm: HostSwarm, router: AuthorlessGossipSub, gate: Gate, counts: Counter[str]
    ) -> None:
        super().__init__(
            host,
            router,
            strict_signing=False,
            msg_id_constructor=content_id,
            max_inbound_rpc_size=LIMIT_RPC_BYTES,
            max_subscriptions_per_peer=LIMIT_TOPICS_PER_PEER,
        )
        cast("LastSeenCache", self.seen_messages).stop()  # trap 14: a thread for each Pubsub, for ever
        self.seen_messages = SeenIds()
        self._declined = SeenIds()
        self._deafen(swarm)
        self.outbound: dict[ID, OutboundQueue] = {}
        self.peer_queues = self.outbound  # type: ignore[assignment]  # the library's name for the same table
        self._gate = gate
        self._counts = counts
        self._lines: dict[str, Gossip] = {}
        self._speakers: dict[ID, trio.CancelScope] = {}
        self._heard: dict[ID, INetStream] = {}

    def _deafen(self, swarm: HostSwarm) -> None:
        """Take the library's watcher of connections away: it speaks to every peer at once, admitted or not."""
        for notifee in [n for n in swarm.notifees if isinstance(n, PubsubNotifee)]:
            swarm.notifees.remove(notifee)
            notifee.initiator_peers_queue.close()
            notifee.dead_peers_queue.close()
        self.peer_receive_channel.close()
        self.dead_peer_receive_channel.close()

    async def run(self) -> None:
        """Live until stopped; the work is done by `_speak_with` and `stream_handler`."""
        try:
            await self.manager.wait_finished()
        finally:
            for line in self._lines.values():
                line.close()

    # Topics.

    @property
    def topic_ids(self) -> KeysView[str]:
        """What we joined."""
        return self._lines.keys()

    async def join(self, topic: str, validate: Validator) -> Gossip:
        """Join `topic`. Raises SubstrateError when it is joined already."""
        if topic in self._lines:
            raise SubstrateError("this topic is joined already")
        line = Gossip(
            validate,
            publish=lambda data: self._publish(topic, data),
            census=lambda: len(self.peer_topics.get(topic, ())),
            leave=lambda: self._part(topic),
            counts=self._counts,
        )
        self._lines[topic] = line
        self._announce(topic, subscribe=True)
        await self.router.join(topic)
        return line

    def _part(self, topic: str) -> None:
        del self._lines[topic]
        self._announce(topic, subscribe=False)
        self.router.part(topic)

    def _announce(self, topic: str, *, subscribe: bool) -> None:
        announcement = rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=subscribe, topicid=topic)])
        for peer in list(self.outbound):
            self.router.enqueue(peer, announcement, priority=True)

    def get_hello_packet(self) -> rpc_pb2.RPC:
        """Our topics, and nothing about us (trap 12: the library adds a signed record of our addresses)."""
        return rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=t) for t in self.topic_ids])

    def _publish(self, topic: str, data: bytes) -> int:
        message = rpc_pb2.Message(data=data, topicIDs=[topic])
        self.seen_messages.add(content_id(message))
        return self.router.forward(message, topic, None)

    # Speaking: one task and one stream for each admitted peer.

    def admit(self, peer: ID) -> None:
        """Begin GossipSub with a connected peer; again, over the newest connection, when it had begun."""
        self._gate.admit(peer)
        if not self.manager.is_running:
            return
        if peer in self._speakers:
            self.connection_changed(peer, None)
            return
        scope = trio.CancelScope()
        self._speakers[peer] = scope
        self.manager.run_task(self._speak_with, peer, scope)

    def drop(self, peer: ID) -> None:
        """The last connection to `peer` ended: forget it."""
        self._gate.forget(peer)
        scope = self._speakers.pop(peer, None)
        if scope is not None:
            scope.cancel()
        self._hush(peer)
        self.router.remove_peer(peer)
        self._forget_all_subscriptions(peer)

    def connection_changed(self, peer: ID, ended: SwarmConn | None) -> None:
        """Move our stream to the newest connection when its own ended, or is no longer the newest."""
        stream = self.peers.get(peer)
        connections = self.host.get_network().get_connections(peer)
        if stream is None or not connections:
            return
        own = stream.muxed_conn
        if own is not connections[-1].muxed_conn and (ended is None or own is ended.muxed_conn):
            self._hush(peer)

    def _hush(self, peer: ID) -> None:
        queue = self.outbound.get(peer)
        if queue is not None:
            queue.close()

    async def _speak_with(self, peer: ID, scope: trio.CancelScope) -> None:
        """Keep a stream to `peer` open for as long as it is admitted."""
        pause = REOPEN_SECONDS
        with scope:
            while True:
                began = trio.current_time()
                try:
                    stream = await self.host.new_stream(peer, [MESHSUB_PROTOCOL])
                    await self._speak_on(stream, peer)
                except Exception as error:  # noqa: BLE001  the library's dozen of reasons why a stream ended: try again
                    self._counts[f"meshsub {type(error).__name__}"] += 1
                if trio.current_time() - began > STEADY_SECONDS:
                    pause = REOPEN_SECONDS
                await trio.sleep(pause)
                pause = min(pause * 2, REOPEN_LONGEST_SECONDS)

    async def _speak_on(self, stream: INetStream, peer: ID) -> None:
        queue = OutboundQueue(_muxed(stream))
        queue.push(delimited(self.get_hello_packet()), priority=True)
        self.peers[peer], self.outbound[peer] = stream, queue
        self.router.add_peer(peer, MESHSUB_PROTOCOL)
        for topic in [topic for topic, peers in self.peer_topics.items() if peer in peers]:
            self.router.meet(peer, topic)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._notice_reset, stream, queue)
                await queue.run()
                nursery.cancel_scope.cancel()
        finally:
            queue.close()
            if self.outbound.get(peer) is queue:
                del self.peers[peer], self.outbound[peer]
                self.router.remove_peer(peer)
            with trio.CancelScope(shield=True):
                await reset_quietly(stream)

    async def _notice_reset(self, stream: INetStream, queue: OutboundQueue) -> None:
        """The peer writes nothing here; that this read ends is how its reset is noticed before we write in vain."""
        try:
            await stream.read(1)
        except Exception:  # noqa: BLE001  however the library says it, the stream is over
            queue.close()

    # Hearing.

    async def stream_handler(self, stream: INetStream) -> None:
        """Hear one peer on the stream it opened; the newer of two wins. What it provokes passes, for the guard."""
        peer = stream.muxed_conn.peer_id
        if not await self._gate.wait(peer, EARLY_STREAM_SECONDS):
            await reset_quietly(stream)
            return
        older = self._heard.get(peer)
        self._heard[peer] = stream
        if older is not None:
            await reset_quietly(older)
        try:
            await self.continuously_read_stream(stream)
        finally:
            if self._heard.get(peer) is stream:
                del self._heard[peer]

    async def continuously_read_stream(self, stream: INetStream) -> None:
        """Obey RPCs until the stream ends. Raises MalformedRpc, DecodeError and the library's stream errors."""
        peer = stream.muxed_conn.peer_id
        came_from = text_of(peer)
        reader = RpcReader()

        def obey(data: bytes) -> None:
            for raw in reader.feed(data):
                self._obey(peer, came_from, raw)

        await _muxed(stream).pour_into(obey)

    # Obeying and judging: no await from here to the end of the class: nothing comes between, no task is woken.

    def _obey(self, peer: ID, came_from: PeerId, raw: bytes) -> None:
        """One RPC. Raises MalformedRpc and DecodeError."""
        if not self._gate.admits(peer):
            raise MalformedRpc("a peer that is no longer admitted")
        rpc = rpc_pb2.RPC()
        rpc.ParseFromString(raw)
        has_control = rpc.HasField("control")
        _check_bounds(rpc, has_control=has_control)
        for subscription in rpc.subscriptions:
            self.handle_subscription(peer, subscription)
        for message in rpc.publish:
            self._hear(peer, came_from, message)
        if has_control:
            self.router.obey(rpc.control, peer)

    def handle_subscription(self, origin_id: ID, sub_message: rpc_pb2.RPC.SubOpts) -> None:
        """Note what a peer joined or left."""
        topic = sub_message.topicid
        if not sub_message.subscribe:
            self._forget_subscription(origin_id, topic)
            self.router.mesh.get(topic, set()).discard(origin_id)
            return
        count = self._peer_subscription_count.get(origin_id, 0)
        subscribers = self.peer_topics.get(topic, set())
        if len(topic) > LIMIT_TOPIC_CHARACTERS or (origin_id not in subscribers and count >= LIMIT_TOPICS_PER_PEER):
            self._counts["subscription refused"] += 1
            return
        if origin_id not in subscribers:
            self.peer_topics.setdefault(topic, set()).add(origin_id)
            self._peer_subscription_count[origin_id] = count + 1
        self.router.meet(origin_id, topic)

    def has_met(self, content_id: bytes) -> bool:
        """Whether that message was judged, or declined a moment ago: not worth asking for."""
        return self.seen_messages.has(content_id) or self._declined.has(content_id)

    def _hear(self, peer: ID, came_from: PeerId, message: rpc_pb2.Message) -> None:
        if message.from_id or message.seqno or message.signature or message.key or len(message.topicIDs) != 1:
            self._counts["author refused"] += 1
            return
        topic = message.topicIDs[0]
        line = self._lines.get(topic)
        if line is None:
            self._counts["other topic"] += 1
            return
        data = message.data
        mid = content_id(message)
        if self.seen_messages.has(mid):
            self._counts["duplicate"] += 1
            return
        match line.judge(data, came_from):
            case Verdict.ACCEPT:
                self.seen_messages.add(mid)
                line.deliver(data, came_from)
                # A fresh message: unknown fields a peer smuggled in stay here.
                self.router.forward(rpc_pb2.Message(data=data, topicIDs=[topic]), topic, peer)
            case Verdict.REJECT:
                self.seen_messages.add(mid)
            case Verdict.IGNORE:
                self._declined.add(mid)

    async def push_msg(self, msg_forwarder: ID, msg: rpc_pb2.Message) -> None:
        """The library's name for `_hear`."""
        self._hear(msg_forwarder, text_of(msg_forwarder), msg)


def _muxed(stream: INetStream) -> HostYamuxStream:
    assert isinstance(stream, NetStream)
    muxed = stream.muxed_stream
    assert isinstance(muxed, HostYamuxStream)
    return muxed


def _check_bounds(rpc: rpc_pb2.RPC, *, has_control: bool) -> None:
    """Raises MalformedRpc when an RPC holds more of anything than an honest one does, or a topic that is no text."""
    entries = 0
    topics: list[object] = [subscription.topicid for subscription in rpc.subscriptions]
    if has_control:
        control = rpc.control
        entries = len(control.ihave) + len(control.iwant) + len(control.graft) + len(control.prune)
        topics += [entry.topicID for kind in (control.ihave, control.graft, control.prune) for entry in kind]
    if not all(isinstance(topic, str) for topic in topics):  # bytes that are no UTF-8 come as bytes
        raise MalformedRpc("a topic that is no text")
    if len(rpc.publish) > LIMIT_MESSAGES_PER_RPC:
        raise MalformedRpc("too many messages")
    if len(rpc.subscriptions) > LIMIT_TOPICS_PER_PEER:
        raise MalformedRpc("too many subscriptions")
    if entries > LIMIT_ENTRIES_PER_CONTROL:
        raise MalformedRpc("too many control entries")
