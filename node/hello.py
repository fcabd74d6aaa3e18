"""`/tertulia/hello/1` over a stream: both sides prove the commons' key before anything else is said.

docs/spec/frame.md, *Hello*; PROTOCOL.md §3. Invariants: whoever dialled speaks first; a peer that is of another commons
learns nothing it could test a guess on; the whole takes at most `HELLO_SECONDS`, whatever the other side does.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.substrate import PeerId, Stream, StreamFailed, peer_id_bytes
from tertulia.protocol.commons import (
    HELLO_NONCE,
    LIMIT_HELLO,
    Commons,
    HelloOpen,
    answer_hello,
    check_hello,
    finish_hello,
    read_answer,
    read_done,
    read_open,
)

if TYPE_CHECKING:
    from tertulia.node.clock import Clock

HELLO_SECONDS: Final = 10.0


async def open_hello(stream: Stream, commons: Commons, me: PeerId, clock: Clock) -> int:
    """Say hello first; returns the clock (ms) of a peer that is of this commons. Raises RemoteError or StreamFailed."""
    mine, theirs = peer_id_bytes(me), peer_id_bytes(stream.peer)
    with _deadline():
        opened = HelloOpen(secrets.token_bytes(HELLO_NONCE))
        await stream.send(opened.encoded())
        answer = read_answer(await stream.receive(LIMIT_HELLO))
        done = finish_hello(commons.key, mine, theirs, opened, answer, clock())
        await stream.send(done.encoded())
        return answer.clock
    raise StreamFailed("the peer did not finish the hello in time")


async def take_hello(stream: Stream, commons: Commons, me: PeerId, clock: Clock) -> int:
    """Answer a hello; returns the clock (ms) of a peer that is of this commons. Raises RemoteError or StreamFailed."""
    mine, theirs = peer_id_bytes(me), peer_id_bytes(stream.peer)
    with _deadline():
        opened = read_open(await stream.receive(LIMIT_HELLO))
        answer = answer_hello(commons.key, mine, theirs, opened, secrets.token_bytes(HELLO_NONCE), clock())
        await stream.send(answer.encoded())
        done = read_done(await stream.receive(LIMIT_HELLO))
        check_hello(commons.key, mine, theirs, opened, answer, done)
        return done.clock
    raise StreamFailed("the peer did not finish the hello in time")


def _deadline() -> trio.CancelScope:
    return trio.move_on_after(HELLO_SECONDS)
