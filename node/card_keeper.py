"""Which card of a commons this node follows: found among the frames it archives, locked or not, and kept beside them.

Spec: docs/spec/commons.md, *Succession* and *Frames*. Invariants: what is followed is on the disk before anyone acts on
it; nothing but the commons' key and the digest of its first stewards is needed; a card that is refused is counted by
its reason and changes nothing; the card is published again before the last frame that carried it leaves the archives.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.clock import MS_PER_MINUTE
from tertulia.node.redaction import Event, log
from tertulia.node.shelf import START
from tertulia.node.store.problems import StoreError
from tertulia.protocol import commons_chain
from tertulia.protocol import frame as frames
from tertulia.protocol.commons_card import LIMIT_SIGNED_CARD, SignedCard
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.item import ItemType
from tertulia.protocol.shape import as_list

if TYPE_CHECKING:
    from tertulia.node.clock import Clock
    from tertulia.node.shelf import Shelf
    from tertulia.protocol.commons import Commons
    from tertulia.protocol.commons_chain import Chain
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.item import Item

LIMIT_HEARD: Final = 16
"""Chains, and proposals, that wait to be looked at."""
LIMIT_STRANGE: Final = 8
"""Chains remembered that no root vouches for yet: a guest meets the commons' card before that of their invite."""
LIMIT_PROPOSED: Final = commons_chain.LIMIT_PROPOSALS * LIMIT_SIGNED_CARD + 64
"""Bytes of the proposals in the archive."""
SCAN_FRAMES: Final = 256
"""Frames read at once when the archive is searched for a card."""
AGAIN_SECONDS: Final = 60 * 60.0
"""How often it is looked whether the card must be published again."""
AGAIN_HOURS: Final = 6
"""It is published again after a random time of up to so many hours in which nobody else did."""

Followed = Callable[["Chain"], Awaitable[None]]
Proposed = Callable[[SignedCard], Awaitable[None]]
Publish = Callable[[Sequence["Frame"]], Awaitable[None]]


class CardKeeper:
    """The card of one commons."""

    def __init__(self, commons: Commons, shelf: Shelf, clock: Clock) -> None:
        self.commons = commons
        self.chain: Chain = ()
        self.refused: Counter[RejectReason] = Counter()
        self.on_followed: Followed | None = None
        self.on_proposed: Proposed | None = None
        self._shelf, self._clock = shelf, clock
        self._keys = commons_chain.card_frame_keys(commons.key)
        self._heard: deque[Chain] = deque(maxlen=LIMIT_HEARD)
        self._proposals: deque[SignedCard] = deque(maxlen=LIMIT_HEARD)
        self._strange: deque[Chain] = deque(maxlen=LIMIT_STRANGE)
        self.proposals: tuple[SignedCard, ...] = ()
        """Cards by stewards that lack signatures, for whoever unlocks; kept like the chain."""
        self._news = trio.Event()
        self._carried = 0  # the latest minute of a frame that carried the newest card
        self._due = 0

    @property
    def _setting(self) -> str:
        return f"card {self.commons.id.hex()}"

    @property
    def _minute(self) -> int:
        return self._clock() // MS_PER_MINUTE

    @property
    def is_expired(self) -> bool:
        """Whether the card that is followed is out of date."""
        return bool(self.chain) and self.chain[-1].card.expires <= self._minute

    async def load(self) -> None:
        """Take up what the archive holds; without a card, search its frames for one. Raises StoreError."""
        key = self._setting
        data = await self._shelf.run(lambda archive: archive.setting(key))
        if data is not None:
            try:
                self.chain = commons_chain.from_bytes(data)
            except RemoteError as wrong:  # of another release: it comes again
                self.refused[wrong.reason] += 1
        await self._load_proposals()
        if not self.chain:
            await self._scan()

    async def _load_proposals(self) -> None:
        key = f"proposed {self._setting}"
        data = await self._shelf.run(lambda archive: archive.setting(key))
        if data is not None:
            try:
                self.proposals = tuple(SignedCard.from_value(one) for one in as_list(decode(data, LIMIT_PROPOSED)))
            except RemoteError as wrong:
                self.refused[wrong.reason] += 1

    async def _scan(self) -> None:
        mark = START
        while rows := await self._shelf.arrived(self.commons.id, mark, SCAN_FRAMES):
            self.look([frames.read(row.raw) for row in rows])
            mark = rows[-1].mark

    # What comes -----------------------------------------------------------------------------------------------------

    def look(self, batch: Sequence[Frame]) -> None:
        """Look at frames that were archived: those that carry a card are heard."""
        for frame in batch:
            if frame.frame_class is not FrameClass.LARGE or not frames.recognises(self._keys, frame):
                continue
            try:
                for item in frames.open(self._keys, frame):
                    self._hear(item, frame.minute)
            except RemoteError as wrong:
                self.refused[wrong.reason] += 1

    def _hear(self, item: Item, minute: int) -> None:
        if item.type == ItemType.COMMONS_CARD:
            chain = commons_chain.read_chain(item)
            if chain and self.chain and chain[-1].id == self.chain[-1].id:
                self._carried, self._due = max(self._carried, minute), 0
                return
            self._heard.append(chain)
        elif item.type == ItemType.COMMONS_PROPOSAL:
            self._proposals.append(SignedCard.from_value(item.body))
        self._wake()

    def learn(self, commons: Commons) -> None:
        """The commons is known better: perhaps whose card to trust."""
        self.commons = commons
        self._heard.extend(self._strange)
        self._strange.clear()
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    # What follows ---------------------------------------------------------------------------------------------------

    async def run(self, publish: Publish) -> None:
        """Follow what is heard until cancelled; `publish` sends frames."""
        while True:
            news = self._news
            await self._settle()
            with trio.move_on_after(AGAIN_SECONDS):
                await news.wait()
            await self._publish_again(publish)

    async def _settle(self) -> None:
        while self._heard:
            await self.follow(self._heard.popleft())
        while self._proposals:
            await self._propose(self._proposals.popleft())

    async def _propose(self, proposal: SignedCard) -> None:
        """Keep a proposal that a steward made, and hand it on; what is signed more often is kept in its place."""
        if not commons_chain.is_rightful(self.chain, proposal):
            return
        proposal = commons_chain.genuine(self.chain, proposal)
        known = next((one for one in self.proposals if one.id == proposal.id), proposal)
        whole = known.with_signatures(proposal.signatures)
        others = (one for one in self.proposals if one.id != whole.id)
        kept = commons_chain.waiting(self.chain, (*others, whole))
        key, data = f"proposed {self._setting}", encode([one.to_value() for one in kept])
        try:
            await self._shelf.run(lambda archive: archive.put_setting(key, data))
        except StoreError:
            log(Event.COMMIT_FAILED)
        self.proposals = kept
        if self.on_proposed is not None:
            await self.on_proposed(whole)

    async def follow(self, coming: Chain) -> None:
        """Follow this chain if it is to be followed; what was followed before stays if the disk does not take it."""
        try:
            chain = commons_chain.follow(self.commons, self.chain, coming, self._minute)
        except RemoteError as wrong:
            self.refused[wrong.reason] += 1
            if wrong.reason is RejectReason.PROOF and not self.chain:
                self._strange.append(coming)
            return
        if chain is self.chain:
            return
        key, data = self._setting, commons_chain.to_bytes(chain)
        try:
            await self._shelf.run(lambda archive: archive.put_setting(key, data))
        except StoreError:
            log(Event.COMMIT_FAILED)
            self._strange.append(coming)
            return
        self.chain = chain
        self._carried, self._due = self._minute, 0
        if self.on_followed is not None:
            await self.on_followed(chain)

    async def _publish_again(self, publish: Publish) -> None:
        """Put the card into a new frame when the last one is a third of the retention old."""
        third = self.commons.retention_days * 24 * 60 // 3
        if not self.chain or self.is_expired or self._carried + third > self._minute:
            return
        if not self._due:
            self._due = self._minute + secrets.randbelow(AGAIN_HOURS * 60)
        if self._due > self._minute:
            return
        self._carried, self._due = self._minute, 0
        item = commons_chain.chain_item(self.chain)
        minute = frames.publication_minute(self._clock())
        nonce = os.urandom(24)
        await publish([frames.seal(self.commons.key, self._keys, FrameClass.LARGE, minute, nonce, [item])])
