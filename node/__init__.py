"""One citizen's node: drives the core under trio, owns the disk and the network.

Imports only the floor below, `tertulia.protocol`. libp2p is imported in `tertulia.node.substrate` and nowhere else.

A frame's way in: `substrate` (host, gossip, streams) → `carrier` (judged, archived) → `reel` (walks the archive) →
`driver` (the batch loop around the core) → `control` (views). A word's way out is the same way back. `service` holds
it together from lock to unlock, `carrying` and `network` run one host for each commons, `neighbour` one peer's hello
and `sync`; `store` is the disk; `citizen` is a whole node in a block of code.
"""
