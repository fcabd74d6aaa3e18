"""The secured bytes of one connection, after the handshakes: decrypt all that came, encrypt all that waits, write it.

libp2p specs/noise, "Wire format": two bytes of length, then at most 65,535 of ciphertext. Lever 6 of the research and
row 17 of docs/upstream.md: the library passes each frame through five layers, four locks and two tasks, and a cancelled
write leaves half a message. Here writing is a plain call: `put` queues, `flush` encrypts and hands the system what it
takes, `drain` is the one task that waits. Invariants: what was encrypted is written whole and in order, whoever is
cancelled; between `put` and the system at most `LIMIT_BACKLOG_BYTES` and one frame wait for each writer that asked for
`room`; a payload that cannot be decrypted ends the connection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from libp2p.io.exceptions import ConnectionClosedError

LIMIT_BACKLOG_BYTES = 64 * 1024
LIMIT_PLAINTEXT_BYTES = 65_535 - 16
STALLED_SECONDS = 15.0
_LENGTH_BYTES = 2
_NONCE_PREFIX = bytes(4)


class Raw(Protocol):
    """What a transport gives once the handshakes are over."""

    async def receive(self) -> bytes:
        """At least one byte; `b""` at the end. Raises ConnectionClosedError after a reset."""

    def send_now(self, data: bytes) -> int:
        """How many bytes of `data` were taken, without waiting. Raises ConnectionClosedError."""

    async def writable(self) -> None:
        """Wait until `send_now` can take something. Raises ConnectionClosedError."""

    async def close(self) -> None:
        """End it."""


class Cipher:
    """One direction of a Noise transport: a key and a counter, straight to the library that has the AEAD."""

    def __init__(self, key: bytes, counter: int) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._counter = counter

    def _nonce(self) -> bytes:
        nonce = _NONCE_PREFIX + self._counter.to_bytes(8, "little")
        self._counter += 1
        return nonce

    def seal(self, plaintext: bytes) -> bytes:
        """The next message, with its length in front."""
        sealed = self._aead.encrypt(self._nonce(), plaintext, None)
        return len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed

    def open(self, ciphertext: bytes | memoryview) -> bytes:
        """The next payload. Raises ConnectionClosedError for what the peer's key did not make."""
        try:
            return self._aead.decrypt(self._nonce(), ciphertext, None)
        except InvalidTag as error:
            raise ConnectionClosedError("a message that cannot be decrypted") from error


@dataclass(slots=True)
class Traffic:
    """What passed through all channels of a host since it started."""

    bytes_in: int = 0
    bytes_out: int = 0
    messages_in: int = 0
    messages_out: int = 0


class Channel:
    """See the module's head."""

    def __init__(
        self,
        raw: Raw,
        sending: Cipher,
        receiving: Cipher,
        *,
        early: bytes = b"",
        tap: Callable[[bytes], None] | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self._raw = raw
        self._sending = sending
        self._receiving = receiving
        self._early = early
        self._tap = tap
        self._traffic = traffic or Traffic()
        self._held = bytearray()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._backlog = bytearray()
        self._stuck = trio.Event()
        self._moved = trio.Event()
        self._closed = False

    # Reading.

    async def receive(self) -> bytes:
        """All payloads that came, joined; `b""` at the end. Raises ConnectionClosedError."""
        if self._early:
            early, self._early = self._early, b""
            return early
        while True:
            data = await self._raw.receive()
            if not data:
                return b""
            payload = self._open_all(data)
            if payload:
                return payload

    def _open_all(self, data: bytes) -> bytes:
        self._traffic.bytes_in += len(data)
        held: bytes | bytearray = data
        if self._held:
            self._held += data
            held = self._held
        payloads, at = [], 0
        with memoryview(held) as view:
            while len(view) - at >= _LENGTH_BYTES:
                end = at + _LENGTH_BYTES + (view[at] << 8 | view[at + 1])
                if end > len(view):
                    break
                payload = self._receiving.open(view[at + _LENGTH_BYTES : end])
                at = end
                if self._tap is not None:
                    self._tap(payload)
                payloads.append(payload)
        self._traffic.messages_in += len(payloads)
        if held is self._held:
            del self._held[:at]
        elif at < len(data):
            self._held += data[at:]
        return payloads[0] if len(payloads) == 1 else b"".join(payloads)

    # Writing.

    @property
    def backlog(self) -> int:
        """Bytes that wait for the system to take them."""
        return len(self._backlog) + self._waiting_bytes

    def put(self, frame: bytes) -> None:
        """Queue `frame`, to leave with the next `flush`."""
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)

    def flush(self) -> None:
        """Encrypt what waits, several frames in a message, and write what the system takes. Never raises."""
        if not self._waiting or self._closed:
            return
        plain = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        parts = range(0, len(plain), LIMIT_PLAINTEXT_BYTES)
        if len(parts) == 1:
            sealed = self._sending.seal(plain)
        else:
            sealed = b"".join(self._sending.seal(plain[at : at + LIMIT_PLAINTEXT_BYTES]) for at in parts)
        self._traffic.messages_out += len(parts)
        self._traffic.bytes_out += len(sealed)
        if self._backlog:
            self._backlog += sealed
            return
        try:
            taken = self._raw.send_now(sealed)
        except ConnectionClosedError:
            taken = 0  # `drain` meets it too, and ends the connection
        if taken < len(sealed):
            self._backlog += sealed[taken:]
            self._stuck.set()

    async def room(self) -> None:
        """Wait until a writer may `put` another frame. Raises ConnectionClosedError when the connection ended."""
        while self.backlog >= LIMIT_BACKLOG_BYTES and not self._closed:
            await self._moved.wait()
        if self._closed:
            raise ConnectionClosedError("the connection ended")

    async def drain(self) -> None:
        """Write what the system did not take at once, until cancelled.

        Raises ConnectionClosedError, also when the peer takes nothing for `STALLED_SECONDS`.
        """
        while True:
            await self._stuck.wait()
            while self._backlog:
                with trio.move_on_after(STALLED_SECONDS) as patience:
                    await self._raw.writable()
                if patience.cancelled_caught:
                    raise ConnectionClosedError("the peer stopped reading")
                del self._backlog[: self._raw.send_now(bytes(self._backlog[:LIMIT_BACKLOG_BYTES]))]
                self._wake()
            self._stuck = trio.Event()

    def _wake(self) -> None:
        if self.backlog < LIMIT_BACKLOG_BYTES:
            self._moved.set()
            self._moved = trio.Event()

    async def close(self) -> None:
        """End the connection; whoever waits for room is told."""
        self._closed = True
        self._moved.set()
        await self._raw.close()


class Outbox:
    """The channels of one host that have something to flush, once for each batch and not for each frame."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self._unflushed: dict[Channel, None] = {}
        self._some = trio.Event()
        self._held = False

    def later(self, channel: Channel) -> None:
        """Flush `channel` when the present batch ends, or at the next turn of the scheduler."""
        self._unflushed[channel] = None
        if not self._held:
            self._some.set()

    def hold(self) -> None:
        """A batch begins; no await may follow before its `release`."""
        self._held = True

    def release(self) -> None:
        """The batch ended: flush all."""
        self._held = False
        while self._unflushed:
            channel, _ = self._unflushed.popitem()
            channel.flush()

    async def run(self) -> None:
        """Flush what was put outside of a batch, until cancelled."""
        while True:
            await self._some.wait()
            self._some = trio.Event()
            self.release()
