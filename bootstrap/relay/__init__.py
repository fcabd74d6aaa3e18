"""A relay: keeps communities reachable and holds their frames for those who are offline, and can read none of them.

docs/guide/relay.md, DESIGN.md §4, §6, §8. `python -m tertulia.bootstrap.relay VERB`; people type `tertulia relay VERB`.
Invariants: no vault, no passphrase, nothing here opens a frame; whoever holds the folder is the relay, wherever it is.
"""
