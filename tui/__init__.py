"""The face: the Textual app, the plain line client, and the `tertulia` command.

Talks to a node over its control socket. Imports `tertulia.protocol.control` and `tertulia.protocol.text` and
nothing else of the house; it starts a node as a process.
"""
