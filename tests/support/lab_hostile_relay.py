"""A relay that a community has listed and that means ill: it names other places in every way that a peer can.

Run on a host of the lab: `python lab_hostile_relay.py TICKET LISTEN TRAP NAME`. TRAP is an IPv4 address and NAME a name
to look up; both are told in identify, in the relay's card, in a forged commons card in the feed, and on streams of
protocols that make other programs dial. Prints its address, then a line of JSON for each citizen it is done with.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter

import trio
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.utils import encode_varint_prefixed
from multiaddr import Multiaddr

from tertulia.node.clock import wall_clock
from tertulia.node.hello import take_hello
from tertulia.node.substrate import HostConfig, Stream, StreamFailed, SubstrateError, open_host, peer_id_bytes
from tertulia.protocol import feed_messages as messages
from tertulia.protocol import frame as frames
from tertulia.protocol.address import from_multiaddr
from tertulia.protocol.commons import HELLO_PROTOCOL
from tertulia.protocol.commons_card import CommonsCard, Relay, Stewards, unsigned
from tertulia.protocol.commons_chain import card_frame_keys, chain_item
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.feed_messages import FEED_PROTOCOL, LIMIT_ASK
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.relay_card import RelayCard, sign_card
from tertulia.protocol.ticket import decode_ticket

DIALLING = (
    "/ipfs/id/push/1.0.0", "/libp2p/dcutr", "/libp2p/autonat/1.0.0", "/libp2p/autonat/2/dial-request",
    "/libp2p/circuit/relay/0.2.0/stop", "/meshsub/1.1.0", "/ipfs/kad/1.0.0", "/rendezvous/1.0.0",
)  # fmt: skip
"""Protocols in which a peer is told where others are."""
CURSOR = b"c" * 16


class Hostile:
    """What it says to each, and how often each thing was said."""

    def __init__(self, ticket: str, trap: str, name: str, seed: bytes) -> None:
        self.commons, self.seed = decode_ticket(ticket), seed
        self.places = (f"/ip4/{trap}/tcp/4001", f"/dns4/{name}/tcp/4001", f"/dns4/{name}/tcp/80/ws")
        self.did: Counter[str] = Counter()

    def identify(self) -> bytes:
        return encode_varint_prefixed(
            Identify(
                listen_addrs=[Multiaddr(place).to_bytes() for place in self.places],
                observed_addr=Multiaddr(self.places[0]).to_bytes(),
                protocols=list(DIALLING),
            ).SerializeToString()
        )

    def card(self, peer: bytes) -> bytes:
        minute, words = wall_clock() // 60_000, " ".join(self.places)[:60]
        return sign_card(
            RelayCard(peer, words, words, words, words, 0, 0, 9, 9, 9, minute, minute + 1_000), self.seed
        )  # fmt: skip

    def forged(self) -> bytes:
        """A frame with a card of the community, under stewards who are none, that lists the trap."""
        here, steward, minute = self.commons, os.urandom(32), wall_clock() // 60_000
        listed = [from_multiaddr(place)[0] for place in self.places[:2]]
        relays = tuple(
            sorted((Relay(os.urandom(32), "Lisboa", (place,)) for place in listed), key=lambda one: one.peer)
        )
        card = CommonsCard(
            here.id, 9, here.generation, here.name, here.retention_days, Stewards((signing_public(steward),), 1),
            relays=relays, seeds=relays, issued=minute, expires=minute + 1_000,
        )  # fmt: skip
        item = chain_item((unsigned(card).with_signature(steward),))
        keys, now = card_frame_keys(here.key), frames.publication_minute(wall_clock())
        return frames.seal(here.key, keys, FrameClass.LARGE, now, os.urandom(24), [item]).raw

    async def serve(self, listen: str) -> None:
        async with open_host(HostConfig(self.seed, listen=(listen,))) as host:

            async def hello(stream: Stream) -> None:
                await take_hello(stream, self.commons, host.peer_id, wall_clock)
                host.admit(stream.peer)

            async def identify(stream) -> None:  # the library's own kind of stream
                self.did["identify"] += 1
                await stream.write(self.identify())
                await stream.close()

            async def feed(stream: Stream) -> None:
                await stream.receive(LIMIT_ASK)
                await stream.send(messages.write(messages.Accepted(CURSOR, wall_clock(), b"")))
                await stream.send(messages.write(messages.Batch(CURSOR, (self.forged(),))))
                self.did["forged"] += 1
                for protocol in DIALLING:
                    await push(stream, protocol)
                while True:
                    match messages.read_ask(await stream.receive(LIMIT_ASK)):
                        case messages.Put(raws):
                            await stream.send(messages.write(messages.Taken((messages.Fate.KEPT,) * len(raws))))
                        case messages.AskCard():
                            card = self.card(peer_id_bytes(host.peer_id))
                            await stream.send(messages.write(messages.TellCard(card)))
                            self.did["card"] += 1
                            print(json.dumps(self.did), flush=True)
                        case _:
                            pass

            async def push(to: Stream, protocol: str) -> None:
                try:
                    stream = await host.open(to.peer, protocol)
                    await stream.send(self.identify())
                    self.did["taken"] += 1
                except (StreamFailed, SubstrateError):
                    self.did["refused"] += 1

            host.serve(HELLO_PROTOCOL, hello, before_hello=True)
            host.serve(FEED_PROTOCOL, feed)
            host.library.set_stream_handler(TProtocol(IDENTIFY), identify)
            print(f"{listen}/p2p/{host.peer_id}", flush=True)
            async for _ in host.events:
                pass


if __name__ == "__main__":
    ticket, listen, trap, name = sys.argv[1:]
    trio.run(Hostile(ticket, trap, name, os.urandom(32)).serve, listen)
