"""`/tertulia/feed/1`, the citizen's side: frames from a relay as they come, ours to it, credit as the disk takes them.

Spec: docs/spec/feed.md. Invariants: every frame is judged as one from gossip before it is archived; a relay that sends
beyond its credit, or frames that are none, is left; a frame of ours counts as with the relay only when it said that it
is kept; what the feed does not bring or take, sync does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, assert_never

import trio

from tertulia.node.clock import MS_PER_MINUTE
from tertulia.node.redaction import Event, log
from tertulia.node.store.problems import StoreError
from tertulia.node.substrate import Host, PeerId, Stream, StreamFailed
from tertulia.protocol import feed_messages as messages
from tertulia.protocol import frame as frames
from tertulia.protocol.address import peer_from_text
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.feed_messages import (
    FEED_PROTOCOL,
    LIMIT_CREDIT,
    LIMIT_PUT,
    LIMIT_TELL,
    SILENCE_SECONDS,
    Accepted,
    AskCard,
    Batch,
    Behind,
    Credit,
    Draining,
    Fate,
    Put,
    Refused,
    Subscribe,
    Taken,
    TellCard,
)
from tertulia.protocol.relay_card import RelayCard, read_card

if TYPE_CHECKING:
    from tertulia.node.carrier import Carrier
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import FrameId

TAKEN_SECONDS: Final = 60.0
"""A relay that does not say within so long what became of what was put is left."""
FIRST_SECONDS: Final = 0.5
"""A feed that broke off is asked for again so much later, then twice as late each time."""
AGAIN_SECONDS: Final = 15.0
"""At the latest so; and when it was refused without a time."""
LONGEST_SECONDS: Final = 10 * 60.0
CARD_SECONDS: Final = 24 * 60 * 60.0
"""How often a relay's card is asked for while its feed stands."""
CREDIT_STEP: Final = LIMIT_CREDIT // 4
"""KiB taken before new credit is given."""


class Feed:
    """What one relay streams to us, from one connection to its end."""

    def __init__(self, host: Host, peer: PeerId, carrier: Carrier, behind: Callable[[], None]) -> None:
        self.peer = peer
        self.standing = False
        """The relay accepted, and nothing has gone wrong since."""
        self.refused: Refused | None = None
        self.draining = 0
        """When the relay stops serving (ms); 0 while it has not said that it does."""
        self.skew = 0
        """How far (ms) the relay's clock is ahead of ours."""
        self.card: RelayCard | None = None
        """What the relay says of itself, signed by it; None while it said nothing, or nothing that counts."""
        self.card_refused: RejectReason | None = None
        """Why the card it told of is not believed."""
        self.cursor = b""
        self.began = trio.Event()
        """The relay has answered, or could not: a session that begins now misses nothing that the feed leaves out."""
        self.on_changed: Callable[[], None] | None = None
        self.on_fed: Callable[[PeerId, Sequence[FrameId]], None] | None = None
        self._host, self._carrier, self._behind = host, carrier, behind
        self._credit = 0
        self._used = 0
        self._answers: trio.MemorySendChannel[Taken]
        self._answered: trio.MemoryReceiveChannel[Taken]
        self._putting = False
        self._stood = 0  # how often the relay accepted

    async def run(self) -> None:
        """Be fed until cancelled. Raises RemoteError for a relay that lies; all else is tried again."""
        wait = FIRST_SECONDS
        while True:
            stood = self._stood
            try:
                await self._once()
            except StreamFailed:
                self._carrier.counts["feed broken"] += 1
            self.began.set()
            self._stand(standing=False)
            if self._stood != stood:
                wait = FIRST_SECONDS
            if self.refused is not None:
                until = self.refused.until - self._carrier.now
                wait = min(max(until / 1_000, AGAIN_SECONDS), LONGEST_SECONDS)
            await trio.sleep(wait)
            wait = min(2 * wait, AGAIN_SECONDS)

    async def _once(self) -> None:
        stream = await self._host.open(self.peer, FEED_PROTOCOL)
        failure: RemoteError | StreamFailed | None = None
        try:
            self._credit, self._used, self.refused, self._putting = LIMIT_CREDIT, 0, None, False
            self._answers, self._answered = trio.open_memory_channel[Taken](1)
            await stream.send(messages.write(Subscribe(self.cursor, LIMIT_CREDIT)))
            if not self._accepted(messages.read_tell(await stream.receive(LIMIT_TELL, seconds=SILENCE_SECONDS))):
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._put, stream, nursery.cancel_scope)
                try:
                    await self._listen(stream)
                except (RemoteError, StreamFailed) as failed:
                    failure = failed
                nursery.cancel_scope.cancel()
        finally:
            self._stand(standing=False)
            await stream.reset()
        if failure is not None:
            raise failure

    def _accepted(self, tell: messages.Tell) -> bool:
        match tell:
            case Accepted(cursor, clock, _card):
                self.cursor = self.cursor or cursor
                self.skew = clock - self._carrier.now
                self._stood += 1
                self.began.set()
                self._stand(standing=True)
                return True
            case Refused():
                self.refused = tell
                self._carrier.counts[f"feed refused {tell.reason.name.lower()}"] += 1
                self._tell()
                return False
            case _:
                raise RemoteError(RejectReason.SHAPE, "not the answer")

    def _stand(self, *, standing: bool) -> None:
        if standing != self.standing:
            self.standing = standing
            self._tell()

    def _tell(self) -> None:
        if self.on_changed is not None:
            self.on_changed()

    # What the relay says --------------------------------------------------------------------------------------------

    async def _listen(self, stream: Stream) -> None:
        await stream.send(messages.write(AskCard()))
        asked, card_due = True, trio.current_time() + CARD_SECONDS
        while True:
            if not asked and trio.current_time() >= card_due:
                await stream.send(messages.write(AskCard()))
                asked, card_due = True, trio.current_time() + CARD_SECONDS
            tell = messages.read_tell(await stream.receive(LIMIT_TELL, seconds=SILENCE_SECONDS))
            match tell:
                case Batch(cursor, raws):
                    await self._take(stream, raws)
                    self.cursor = cursor
                case Behind(cursor):
                    self.cursor = cursor
                    self._behind()
                case Taken():
                    if not self._putting:
                        raise RemoteError(RejectReason.SHAPE, "nothing was put")
                    self._putting = False
                    self._answers.send_nowait(tell)
                case TellCard(card):
                    if not asked:
                        raise RemoteError(RejectReason.SHAPE, "no card was asked for")
                    asked = False
                    self._read(card)
                case Draining(until):
                    self.draining = until
                    self._tell()
                case Refused():
                    self.refused = tell
                    return
                case Accepted():
                    raise RemoteError(RejectReason.SHAPE, "accepted twice")
                case _:
                    assert_never(tell)

    def _read(self, signed: bytes) -> None:
        """Believe the relay's card, or say why not; a card that is none costs the relay its words and nothing else."""
        self.card, self.card_refused = None, None
        if signed:
            try:
                self.card = read_card(signed, peer_from_text(self.peer) or b"", self._carrier.now // MS_PER_MINUTE)
            except RemoteError as wrong:
                self.card_refused = wrong.reason
                self._carrier.counts[f"relay card {wrong.reason}"] += 1
        self._tell()

    async def _take(self, stream: Stream, raws: tuple[bytes, ...]) -> None:
        cost = messages.cost(raws)
        if cost > self._credit:
            raise RemoteError(RejectReason.LIMIT, "beyond the credit")
        self._credit -= cost
        batch = [frame for raw in raws if (frame := self._judge(raw)) is not None]
        if batch:
            await self._carrier.keep(batch, self.peer)  # what the disk refuses, sync brings again
            if self.on_fed is not None:
                self.on_fed(self.peer, [frame.id for frame in batch])
        self._used += cost
        if self._used >= CREDIT_STEP:
            used, self._used = self._used, 0
            self._credit += used
            await stream.send(messages.write(Credit(used)))

    def _judge(self, raw: bytes) -> Frame | None:
        try:
            return frames.check(raw, self._carrier.commons.key, frames.gossip_window(self._carrier.now))
        except RemoteError as wrong:
            self._carrier.counts[f"feed {wrong.reason}"] += 1
            if wrong.reason is RejectReason.WINDOW:
                return None
            raise

    # What we put ----------------------------------------------------------------------------------------------------

    async def _put(self, stream: Stream, scope: trio.CancelScope) -> None:
        """Give the relay frames of ours as they are published, until the feed ends."""
        try:
            while True:
                published = self._carrier.published
                owed = self._carrier.own.owed(self.peer)
                if not owed:
                    await published.wait()
                    continue
                await self._offer(stream, owed[:LIMIT_PUT])
        except (StreamFailed, StoreError, trio.TooSlowError):
            log(Event.SYNC_FAILED)
            scope.cancel()

    async def _offer(self, stream: Stream, ids: Sequence[FrameId]) -> None:
        raws = await self._carrier.shelf.frames(self._carrier.commons.id, ids)
        window = frames.gossip_window(self._carrier.now)
        batch = [frame for frame in map(frames.read, raws) if frame.minute in window]
        kept: list[FrameId] = []
        if batch:
            self._putting = True
            await stream.send(messages.write(Put(tuple(frame.raw for frame in batch))))
            with trio.fail_after(TAKEN_SECONDS):
                taken = await self._answered.receive()
            if len(taken.fates) != len(batch):
                raise StreamFailed("an answer to something else")
            pairs = zip(batch, taken.fates, strict=True)
            kept = [frame.id for frame, fate in pairs if fate is Fate.KEPT]
            self._carrier.watch.promised(self.peer, kept, trio.current_time())
            await self._carrier.held(self.peer, kept)
        self._carrier.own.settle(self.peer, [one for one in ids if one not in kept])
