"""What somebody sees who watches a place of a network: every packet, and the byte streams that they make up.

docs/guide/mesh.md, *The lab in network namespaces*; packet(7). Invariants: everything that passes the namespace is
noted, loopback and look-ups included; a packet that the system dropped before it was noted is counted, and a capture
with such a gap says so; the packets stay in memory and are written nowhere.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tertulia.bootstrap.mesh.inside import inside

ETH_P_ALL: Final = 3
ETH_P_IP: Final = 0x0800
ETH_P_ARP: Final = 0x0806
SOL_PACKET: Final = 263
PACKET_STATISTICS: Final = 6
SO_RCVBUFFORCE: Final = 33
TCP, UDP = 6, 17
LIMIT_PACKET: Final = 262_144
"""Bytes: a device may hand over several segments as one packet."""
LIMIT_BUFFER: Final = 64 << 20
LIMIT_CAPTURED: Final = 512 << 20
"""Bytes of packets a capture keeps."""
LOOK_MS: Final = 50


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet, without its link's header."""

    device: str
    outgoing: bool
    protocol: int
    """Its Ethernet type."""
    data: bytes = field(repr=False)

    @property
    def source(self) -> str:
        """The address it names as its sender; "" for what is neither IPv4 nor ARP."""
        return self._address(12, 14)

    @property
    def target(self) -> str:
        """The address it goes to; of a question of ARP, the one asked for."""
        return self._address(16, 24)

    def _address(self, ip: int, arp: int) -> str:
        at = {ETH_P_IP: ip, ETH_P_ARP: arp}.get(self.protocol)
        return "" if at is None else socket.inet_ntoa(self.data[at : at + 4])

    @property
    def carries(self) -> int:
        """The number of the protocol within IPv4: TCP, UDP or another; 0 for what is no IPv4."""
        return self.data[9] if self.protocol == ETH_P_IP else 0

    @property
    def segment(self) -> Segment | None:
        """What it is to TCP."""
        if self.carries != TCP:
            return None
        inner = self.data[4 * (self.data[0] & 15) : int.from_bytes(self.data[2:4], "big") or None]
        source, target, number = struct.unpack("!HHI", inner[:8])
        return Segment(
            Flow(self.source, source, self.target, target), number, bool(inner[13] & 2), inner[4 * (inner[12] >> 4) :]
        )


@dataclass(frozen=True, slots=True)
class Flow:
    """One direction of a TCP connection."""

    source: str
    source_port: int
    target: str
    target_port: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a flow: the number of its first byte, whether it opens the flow, and its bytes."""

    flow: Flow
    number: int
    opens: bool
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Capture:
    """What was noted so far; complete once the block of `capture` is left."""

    packets: list[Packet] = field(default_factory=list)
    dropped: int = 0
    """Packets that were not noted."""

    def flows(self) -> dict[Flow, bytes]:
        """The bytes of each direction of each TCP connection, in order, up to the first that is missing."""
        pieces: dict[Flow, dict[int, bytes]] = {}
        first: dict[Flow, int] = {}
        for packet in self.packets:
            piece = packet.segment
            if piece is None:
                continue
            if piece.opens:
                first[piece.flow] = (piece.number + 1) % 2**32
            elif piece.data:
                known = pieces.setdefault(piece.flow, {})
                if len(piece.data) > len(known.get(piece.number, b"")):
                    known[piece.number] = piece.data
        return {flow: _joined(first.get(flow, min(known)), known) for flow, known in pieces.items()}

    def find(self, needle: bytes) -> int:
        """How many packets and flows hold these bytes; in a flow they may lie across packets."""
        assert needle
        return sum(needle in packet.data for packet in self.packets) + sum(
            needle in stream for stream in self.flows().values()
        )


def _joined(first: int, pieces: dict[int, bytes]) -> bytes:
    joined = bytearray()
    for number in sorted(pieces, key=lambda number: (number - first) % 2**32):
        at = (number - first) % 2**32
        if at > len(joined):
            break
        joined[at:] = max(pieces[number], bytes(joined[at:]), key=len)
    return bytes(joined)


@contextmanager
def capture(netns: str) -> Iterator[Capture]:
    """Note everything that passes this namespace during the block, on any of its devices."""
    noted, over = Capture(), threading.Event()
    with inside(netns, _listen) as ear:
        noting = threading.Thread(target=_note, args=(ear, noted, over))
        noting.start()
        try:
            yield noted
        finally:
            over.set()
            noting.join()


def _listen() -> socket.socket:
    """Runs in the namespace."""
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    ear.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, LIMIT_BUFFER)
    return ear


def _note(ear: socket.socket, noted: Capture, over: threading.Event) -> None:
    watch = select.poll()
    watch.register(ear, select.POLLIN)
    size, last = 0, False
    while not last:
        last = over.is_set()  # before looking: what has come until then is still noted
        while watch.poll(0 if last else LOOK_MS):
            data, (device, protocol, way, *_) = ear.recvfrom(LIMIT_PACKET)
            size += len(data)
            if size > LIMIT_CAPTURED:
                noted.dropped += 1
            else:
                noted.packets.append(Packet(device, way == socket.PACKET_OUTGOING, protocol, data))
            if not last:
                break
    _, dropped = struct.unpack("II", ear.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    noted.dropped += dropped
