"""One host of py-libp2p as shipped that does nothing, for figure F8; lives until it is killed.

Configured as peers/stock.py does. Prints where it listens, dials the address given as argument if there is one, and
prints `connected` once it knows of a peer in its topic.
"""

import logging
import secrets
import sys

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

LISTEN = Multiaddr("/ip4/127.0.0.1/tcp/0")
TOPIC = "idle"
SEED_BYTES = 32
HEARTBEAT_SECONDS = 1


async def main() -> None:
    """Listen, dial if there is whom to dial, join the topic, and sleep."""
    logging.getLogger().addHandler(logging.NullHandler())
    keys = create_new_key_pair(secrets.token_bytes(SEED_BYTES))
    noise = Noise(keys, noise_privkey=new_x25519_key_pair().private_key)
    config = ConnectionConfig(min_connections=0, low_watermark=0)
    host = new_host(key_pair=keys, sec_opt={NOISE: noise}, connection_config=config)
    router = GossipSub([TProtocol("/meshsub/1.1.0")], 6, 4, 12, heartbeat_interval=HEARTBEAT_SECONDS)
    pubsub = Pubsub(host, router, strict_signing=False)
    async with host.run([LISTEN]), background_trio_service(pubsub), background_trio_service(router):
        await pubsub.wait_until_ready()
        await pubsub.subscribe(TOPIC)
        print(host.get_addrs()[0], flush=True)
        if len(sys.argv) > 1:
            await host.connect(info_from_p2p_addr(Multiaddr(sys.argv[1])))
        while not pubsub.peer_topics.get(TOPIC):  # noqa: ASYNC110  the library has no event for it
            await trio.sleep(0.05)
        print("connected", flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main)
