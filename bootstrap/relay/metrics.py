"""What Prometheus may know: how much and how often, never who, where or what.

docs/guide/relay.md, *Metrics*. The text format by hand (Prometheus, "Exposition formats", 0.0.4): forty lines instead
of a library with a thread, a global registry and collectors of its own. Invariants: counters and gauges without labels,
so there is no place for a peer, an address or a community; served on this machine's loopback alone, GET /metrics alone.
"""

from __future__ import annotations

import resource
import sys
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.relay import Relay
    from tertulia.node.clock import Clock

HOST: Final = "127.0.0.1"
LIMIT_REQUEST: Final = 8 * 1024
REQUEST_SECONDS: Final = 5.0
LIMIT_READERS: Final = 4
PREFIX: Final = "tertulia_relay_"

SUMMED: Final = {
    "frames_kept_total": ("Frames archived.", ("kept",)),
    "frames_evicted_total": ("Frames dropped because of their age or for room.", ("evicted", "evicted for room")),
    "frames_rejected_total": ("Frames refused as not of the community.", ("length", "version", "class", "mac")),
    "frames_out_of_window_total": ("Frames too old or too far ahead.", ("window",)),
    "frames_over_quota_total": ("Frames beyond a quota, not kept.", ("quota gone", "quota refused")),
    "gossip_over_rate_total": ("Frames of gossip beyond a rate, not handed on.", ("gossip over rate",)),
    "hellos_failed_total": ("Peers that did not prove to be of the community.", ("hello hello", "hello broken")),
    "banned_total": ("Times somebody banned was turned away.", ("banned",)),
    "sync_refused_total": ("Sessions of sync turned away because too many ran.", ("sync refused",)),
}
FED: Final = {
    "feed_frames_total": ("Frames told, once for each citizen.", ("frames told", "frames told late")),
    "feed_batches_total": ("Batches told.", ("batches",)),
    "feed_behind_total": ("Times a citizen was sent to sync.", ("sent to sync",)),
    "feed_refused_total": (
        "Feeds refused.", ("feed refused full", "feed refused rate", "feed refused draining"),
    ),
    "puts_kept_total": ("Frames that citizens put, kept.", ("put kept",)),
    "puts_slowed_total": ("Times an address had to wait because it put too fast.", ("put slowed",)),
}  # fmt: skip
HOSTED: Final = {
    "bytes_in_total": ("Bytes received.", ("bytes in",)),
    "bytes_out_total": ("Bytes sent.", ("bytes out",)),
    "circuits_total": ("Circuits carried.", ("relay circuit",)),
    "circuits_refused_total": ("Circuits refused.", ("relay circuit refused",)),
    "connections_refused_total": ("Connections refused at the door.", ("inbound refused", "inbound evicted")),
}


def exposition(relay: Relay, now: int) -> str:
    """All of it, in Prometheus' text format."""
    stations = tuple(relay.stations.values())
    lines: list[str] = []

    def add(name: str, kind: str, said: str, value: float) -> None:
        lines.extend((f"# HELP {PREFIX}{name} {said}", f"# TYPE {PREFIX}{name} {kind}", f"{PREFIX}{name} {value:g}"))

    def total(table: dict[str, tuple[str, tuple[str, ...]]], counts: list[dict[str, int]]) -> None:
        for name, (said, keys) in table.items():
            add(name, "counter", said, sum(one.get(key, 0) for one in counts for key in keys))

    add("up", "gauge", "1.", 1)
    add("uptime_seconds", "gauge", "Since the start.", (now - relay.started) // 1_000)
    add("communities", "gauge", "Communities served.", len(stations))
    add("listening", "gauge", "Communities whose port is open.", sum(one.listening for one in stations))
    add("peers", "gauge", "Connected, and through the hello.", sum(one.peers for one in stations))
    add("feeds", "gauge", "Feeds served now.", sum(len(one.feed) for one in stations))
    add("frames", "gauge", "Frames on the disk.", sum(len(one.carrier.holdings) for one in stations))
    add("frame_bytes", "gauge", "Their bytes, when last counted.", sum(one.carrier.size for one in stations))
    add("disk_trouble", "gauge", "Communities whose disk refuses.", sum(bool(one.carrier.trouble) for one in stations))
    add("draining", "gauge", "1 while the relay takes nobody new.", int(bool(relay.draining)))
    total(SUMMED, [one.carrier.counts for one in stations])
    total(FED, [one.feed.counts for one in stations])
    total(HOSTED, [dict(one.host.counts) for one in stations if one.host is not None])
    used = resource.getrusage(resource.RUSAGE_SELF)
    scale = 1 if sys.platform == "darwin" else 1024
    add("cpu_seconds_total", "counter", "CPU used.", round(used.ru_utime + used.ru_stime, 3))
    add("memory_peak_bytes", "gauge", "The most memory held so far.", used.ru_maxrss * scale)
    return "\n".join(lines) + "\n"


async def serve(
    relay: Relay, clock: Clock, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer on loopback until cancelled; started with the port. Raises OSError when it is taken."""
    limit = trio.CapacityLimiter(LIMIT_READERS)

    async def answer(stream: trio.SocketStream) -> None:
        async with stream, limit:
            with trio.move_on_after(REQUEST_SECONDS):
                try:
                    await stream.send_all(_response(await _request(stream), relay, clock))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return

    listeners = await trio.open_tcp_listeners(port, host=HOST)
    task_status.started(int(listeners[0].socket.getsockname()[1]))
    await trio.serve_listeners(answer, listeners)


async def _request(stream: trio.SocketStream) -> str:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < LIMIT_REQUEST:
        more = await stream.receive_some(LIMIT_REQUEST)
        if not more:
            break
        data += more
    return data.partition(b"\r\n")[0].decode("ascii", "replace")


def _response(request: str, relay: Relay, clock: Clock) -> bytes:
    asked = request.split(" ")
    if asked[0] != "GET" or len(asked) != 3 or asked[1].partition("?")[0] != "/metrics":
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    body = exposition(relay, clock()).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
