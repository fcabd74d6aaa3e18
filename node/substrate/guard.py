"""A fence around every stream handler, so that no peer can end the host through one of its streams.

Trap 1 (research/libp2p.md): any exception that leaves any stream handler, even a routine end of stream, ends the swarm
and the host with it; one malformed protobuf on `/meshsub` was enough. Invariants: only cancellation passes the fence;
a stream whose handler failed is reset; the failure is counted under its type, without its text.
Delete when upstream contains the failures of handlers (docs/upstream.md).
"""

from collections import Counter
from collections.abc import Awaitable, Callable

from libp2p.abc import INetStream
from libp2p.custom_types import StreamHandlerFn


def guarded(handler: Callable[[INetStream], Awaitable[None]], counts: Counter[str]) -> StreamHandlerFn:
    """`handler`, total: whatever it raises resets the stream and is counted as `handler <type>` in `counts`."""

    async def fenced(stream: INetStream) -> None:
        try:
            await handler(stream)
        except Exception as error:  # noqa: BLE001  the boundary this module exists for
            counts[f"handler {type(error).__name__}"] += 1
            await reset_quietly(stream)

    return fenced


async def reset_quietly(stream: INetStream) -> None:
    """Reset a stream of a connection that may already be gone."""
    try:
        await stream.reset()
    except Exception:  # noqa: BLE001  the library raises a dozen types for "already gone", all meaning the same
        return
