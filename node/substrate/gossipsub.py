"""The router: GossipSub 1.1 for messages without an author, with bounded answers to a hostile neighbour.

GossipSub v1.0 and v1.1 specs; traps 5, 6, 12 of research/libp2p.md. Invariants: an RPC of ours carries no sender record
and no peer exchange; IHAVE and IWANT speak of 32-byte content ids and are answered in bounded number; a message goes to
the mesh, and to other subscribers only while the mesh is thinner than `DEGREE_LOW`; a heartbeat never ends the host.
"""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

import trio
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.utils import encode_varint_prefixed

from tertulia.node.substrate.message_cache import (
    GOSSIP_HISTORY_HEARTBEATS,
    GOSSIP_WINDOW_HEARTBEATS,
    ContentMessageCache,
)
from tertulia.node.substrate.outbound import OutboundQueue

MESHSUB_PROTOCOL = TProtocol("/meshsub/1.1.0")
DEGREE, DEGREE_LOW, DEGREE_HIGH = 6, 4, 12
HEARTBEAT_SECONDS = 1
PRUNE_BACK_OFF_SECONDS = 60
CONTENT_ID_BYTES = 32
GOSSIP_SHARE = 0.25
LIMIT_IDS_PER_CONTROL = 1024
LIMIT_BACK_OFF_SECONDS = 600
LIMIT_MESSAGES_PER_ANSWER = 64
LIMIT_ANSWER_BYTES = 256 * 1024
LIMIT_ANSWERS_PER_HEARTBEAT = 10


class Neighbourhood(Protocol):
    """What the router needs to know of the pubsub it serves."""

    peer_topics: dict[str, set[ID]]
    outbound: dict[ID, OutboundQueue]

    def get_message_id(self, msg: rpc_pb2.Message) -> bytes:
        """The content id."""

    def has_met(self, content_id: bytes) -> bool:
        """Whether that message was judged already."""


class AuthorlessGossipSub(GossipSub):
    """See the module's head."""

    mcache: ContentMessageCache

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__(
            protocols=[MESHSUB_PROTOCOL],
            degree=DEGREE,
            degree_low=DEGREE_LOW,
            degree_high=DEGREE_HIGH,
            gossip_window=GOSSIP_WINDOW_HEARTBEATS,
            gossip_history=GOSSIP_HISTORY_HEARTBEATS,
            heartbeat_interval=HEARTBEAT_SECONDS,
            prune_back_off=PRUNE_BACK_OFF_SECONDS,
            do_px=False,
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
        )
        self.scorer = None
        self._counts = counts
        self._offered: set[tuple[ID, str]] = set()
        self._answered: Counter[tuple[str, ID]] = Counter()
        self._quiet_until: dict[str, dict[ID, float]] = {}

    def attach(self, pubsub: Pubsub) -> None:
        """Serve `pubsub`, with a cache keyed by its content ids (trap 6)."""
        super().attach(pubsub)
        self.mcache = ContentMessageCache(pubsub.get_message_id)

    @property
    def _neighbourhood(self) -> Neighbourhood:
        neighbourhood: Neighbourhood = self.pubsub  # type: ignore[assignment]  # an AuthorlessPubsub, which is one
        return neighbourhood

    # Messages.

    def forward(self, message: rpc_pb2.Message, topic: str, came_from: ID | None) -> int:
        """Queue `message` for the neighbours that should have it, and remember it for the others.

        Returns for how many it was queued.
        """
        self.mcache.put(message)
        rpc = delimited(rpc_pb2.RPC(publish=[message]))
        return sum(self._push(peer, rpc) for peer in self._targets(topic, came_from))

    def _targets(self, topic: str, came_from: ID | None) -> set[ID]:
        writable = self._neighbourhood.outbound.keys()
        mesh = self.mesh.get(topic, set()) & writable
        targets = mesh - {came_from}
        if len(mesh) < DEGREE_LOW:
            others = (self._neighbourhood.peer_topics.get(topic, set()) & writable) - mesh - {came_from}
            targets |= set(self.select_from_minus(DEGREE_LOW - len(mesh), others, ()))
        return targets

    async def publish(self, msg_forwarder: ID, pubsub_msg: rpc_pb2.Message) -> None:
        """The library's name for `forward`."""
        for topic in pubsub_msg.topicIDs:
            self.forward(pubsub_msg, topic, msg_forwarder)

    # Meeting and leaving.

    def meet(self, peer: ID, topic: str) -> None:
        """`peer` is subscribed to `topic` and we can write to it: take it into a thin mesh, offer it what is recent."""
        if topic not in self.mesh or peer not in self._neighbourhood.outbound:
            return
        mesh = self.mesh[topic]
        if peer not in mesh and len(mesh) < DEGREE_LOW and not self._check_back_off(peer, topic):
            mesh.add(peer)
            self._send_control(peer, rpc_pb2.ControlMessage(graft=[rpc_pb2.ControlGraft(topicID=topic)]))
        if (peer, topic) not in self._offered:
            self._offered.add((peer, topic))
            self._send_ihave(peer, topic, self.mcache.window(topic))

    def part(self, topic: str) -> None:
        """We left `topic`: prune its mesh, and come back no sooner than the unsubscribe back-off allows."""
        for peer in self.mesh.pop(topic, set()):
            self._add_back_off(peer, topic, True)
            prune = rpc_pb2.ControlPrune(topicID=topic, backoff=self.unsubscribe_back_off)
            self._send_control(peer, rpc_pb2.ControlMessage(prune=[prune]))
        self._offered = {(peer, offered) for peer, offered in self._offered if offered != topic}
        self.mcache.forget(topic)

    def remove_peer(self, peer_id: ID) -> None:
        """We can no longer write to `peer_id`."""
        super().remove_peer(peer_id)
        self._offered = {(peer, topic) for peer, topic in self._offered if peer != peer_id}

    # Control.

    def obey(self, control: rpc_pb2.ControlMessage, sender: ID) -> None:
        """Obey the control part of an RPC; extensions of later versions are ignored."""
        for ihave in control.ihave:
            self._obey_ihave(ihave, sender)
        for iwant in control.iwant:
            self._obey_iwant(iwant, sender)
        for graft in control.graft:
            self._obey_graft(graft.topicID, sender)
        for prune in control.prune:
            self._obey_prune(prune, sender)

    async def handle_rpc(self, rpc: rpc_pb2.RPC, sender_peer_id: ID) -> None:
        """The library's name for `obey`."""
        self.obey(rpc.control, sender_peer_id)

    def _obey_ihave(self, ihave: rpc_pb2.ControlIHave, sender: ID) -> None:
        """Ask for what we have not met."""
        if ihave.topicID not in self.mesh or not self._allow("ihave", sender):
            return
        wanted = [
            mid
            for mid in ihave.messageIDs[:LIMIT_IDS_PER_CONTROL]
            if len(mid) == CONTENT_ID_BYTES and not self._neighbourhood.has_met(mid)
        ]
        if wanted:
            self._send_control(sender, rpc_pb2.ControlMessage(iwant=[rpc_pb2.ControlIWant(messageIDs=wanted)]))

    def _obey_iwant(self, iwant: rpc_pb2.ControlIWant, sender: ID) -> None:
        """Send what is asked for and still here, in answers of bounded size."""
        if not self._allow("iwant", sender):
            return
        answer, size = rpc_pb2.RPC(), 0
        for mid in iwant.messageIDs[:LIMIT_IDS_PER_CONTROL]:
            message = self.mcache.serve(mid, sender)
            if message is None:
                continue
            if len(answer.publish) >= LIMIT_MESSAGES_PER_ANSWER or size + len(message.data) > LIMIT_ANSWER_BYTES:
                self.enqueue(sender, answer)
                answer, size = rpc_pb2.RPC(), 0
            answer.publish.append(message)
            size += len(message.data)
        if answer.publish:
            self.enqueue(sender, answer)

    def _obey_graft(self, topic: str, sender: ID) -> None:
        """Take the sender into the mesh, or refuse it with a PRUNE, a bounded number of times a second."""
        mesh = self.mesh.get(topic)
        if mesh is not None and sender in mesh:
            return
        subscribed = sender in self._neighbourhood.peer_topics.get(topic, ())
        if mesh is not None and subscribed and not self._check_back_off(sender, topic):
            mesh.add(sender)
            self._notify_mesh_peer_added(sender, topic)
            return
        if not self._allow("graft", sender):
            return
        if mesh is not None:
            self._add_back_off(sender, topic, False)
        prune = rpc_pb2.ControlPrune(topicID=topic, backoff=PRUNE_BACK_OFF_SECONDS)
        self._send_control(sender, rpc_pb2.ControlMessage(prune=[prune]))

    def _obey_prune(self, prune: rpc_pb2.ControlPrune, sender: ID) -> None:
        """Leave the sender's mesh for a bounded while; the peers it recommends are nobody we know."""
        topic = prune.topicID
        if topic not in self.mesh:
            return
        seconds = min(prune.backoff or PRUNE_BACK_OFF_SECONDS, LIMIT_BACK_OFF_SECONDS)
        self._add_back_off(sender, topic, False, seconds)
        self.mesh[topic].discard(sender)

    def _allow(self, kind: str, peer: ID) -> bool:
        """Whether `peer` may be answered once more this second; what is beyond is counted and left."""
        if self._answered[kind, peer] >= LIMIT_ANSWERS_PER_HEARTBEAT:
            self._counts[f"{kind} flood"] += 1
            return False
        self._answered[kind, peer] += 1
        return True

    # Back-off, on trio's clock: the library's is the wall's, which a virtual clock does not move.

    def _add_back_off(self, peer: ID, topic: str, is_unsubscribe: bool, backoff_duration: int = 0) -> None:
        seconds = backoff_duration or (self.unsubscribe_back_off if is_unsubscribe else PRUNE_BACK_OFF_SECONDS)
        peers = self._quiet_until.setdefault(topic, {})
        peers[peer] = max(peers.get(peer, 0.0), trio.current_time() + seconds)

    def _check_back_off(self, peer: ID, topic: str) -> bool:
        return self._quiet_until.get(topic, {}).get(peer, 0.0) > trio.current_time()

    def _forget_old_back_offs(self) -> None:
        now = trio.current_time()
        for peers in self._quiet_until.values():
            for peer in [peer for peer, until in peers.items() if until <= now]:
                del peers[peer]

    # Sending control.

    async def _emit_control_msgs(
        self,
        peers_to_graft: dict[ID, list[str]],
        peers_to_prune: dict[ID, list[str]],
        peers_to_gossip: dict[ID, dict[str, list[bytes]]],
    ) -> None:
        """One control message for each peer; the library's lists grow from peer to peer, so each hears all."""
        for peer in {*peers_to_graft, *peers_to_prune, *peers_to_gossip}:
            self._send_control(
                peer,
                rpc_pb2.ControlMessage(
                    graft=[rpc_pb2.ControlGraft(topicID=topic) for topic in peers_to_graft.get(peer, ())],
                    prune=[
                        rpc_pb2.ControlPrune(topicID=topic, backoff=PRUNE_BACK_OFF_SECONDS)
                        for topic in peers_to_prune.get(peer, ())
                    ],
                    ihave=[
                        rpc_pb2.ControlIHave(topicID=topic, messageIDs=_newest(ids))
                        for topic, ids in peers_to_gossip.get(peer, {}).items()
                    ],
                ),
            )

    async def emit_control_message(self, control_msg: rpc_pb2.ControlMessage, to_peer: ID) -> None:
        """Queue a control message, without the library's sender record."""
        self._send_control(to_peer, control_msg)

    def _send_ihave(self, peer: ID, topic: str, ids: list[bytes]) -> None:
        if ids:
            ihave = rpc_pb2.ControlIHave(topicID=topic, messageIDs=_newest(ids))
            self._send_control(peer, rpc_pb2.ControlMessage(ihave=[ihave]))

    def _send_control(self, peer: ID, control: rpc_pb2.ControlMessage) -> None:
        self.enqueue(peer, rpc_pb2.RPC(control=control), priority=True)

    def send_rpc(self, peer_id: ID, rpc: rpc_pb2.RPC, priority: bool = False) -> None:
        """The library's name for `enqueue`."""
        self.enqueue(peer_id, rpc, priority=priority)

    def enqueue(self, peer: ID, rpc: rpc_pb2.RPC, *, priority: bool = False) -> bool:
        """Queue `rpc` for `peer`; False, and counted, when its queue is full."""
        return self._push(peer, delimited(rpc), priority=priority)

    def _push(self, peer: ID, rpc: bytes, *, priority: bool = False) -> bool:
        queue = self._neighbourhood.outbound.get(peer)
        if queue is None:
            return False
        if not queue.push(rpc, priority=priority):
            self._counts["outbound dropped"] += 1
            return False
        return True

    # Heartbeat.

    async def heartbeat(self) -> None:
        """Every second: mend the mesh, offer what is recent to those outside it, grow the cache older."""
        while True:
            try:
                grafts, prunes = self.mesh_heartbeat()
                await self._emit_control_msgs(grafts, prunes, self._gossip())
            except Exception as error:  # noqa: BLE001  a heartbeat that fails is skipped; the library's would end the host
                self._counts[f"heartbeat {type(error).__name__}"] += 1
            self.mcache.shift()
            self._forget_old_back_offs()
            self._answered.clear()
            await trio.sleep(self.heartbeat_interval)

    def _gossip(self) -> dict[ID, dict[str, list[bytes]]]:
        """What to offer to whom: the recent ids, to some of those outside the mesh.

        The library passes over peers in back-off, so those the mesh just pruned would get neither messages nor offers.
        """
        offers: dict[ID, dict[str, list[bytes]]] = {}
        for topic, mesh in self.mesh.items():
            ids = self.mcache.window(topic)
            others = (self._neighbourhood.peer_topics.get(topic, set()) & self._neighbourhood.outbound.keys()) - mesh
            count = max(DEGREE, int(len(others) * GOSSIP_SHARE))
            for peer in self.select_from_minus(count, others, ()) if ids else ():
                offers.setdefault(peer, {})[topic] = ids
        return offers


def delimited(rpc: rpc_pb2.RPC) -> bytes:
    """`rpc` as it goes on the wire; done once, however many neighbours get it."""
    return encode_varint_prefixed(rpc.SerializeToString())


def _newest(ids: Iterable[bytes]) -> list[bytes]:
    """At most `LIMIT_IDS_PER_CONTROL` ids, in an order that says nothing about arrival."""
    chosen = list(ids)[:LIMIT_IDS_PER_CONTROL]
    random.shuffle(chosen)
    return chosen
