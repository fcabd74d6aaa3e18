"""Two neighbours bring each other's archives in step, message by message over a faulty link.

docs/spec/carrying.md. As range-based reconciliation does, but by spans of fixed length: outlines are compared, what
differs is listed in pages, and only frames that one side lacks travel. Invariants: every frame is judged before it is
archived; a session that loses a message fails and keeps what had come; what was listed, or flagged as kept, is with
that peer, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tertulia.bootstrap.mesh.archive import SPAN

if TYPE_CHECKING:
    from tertulia.bootstrap.mesh.archive import Carried
    from tertulia.bootstrap.mesh.node import Node
    from tertulia.bootstrap.mesh.world import World

LIMIT_PAGE: Final = 1_000
"""Places in one page of a listing."""
LIMIT_TOGETHER: Final = 64
"""Frames asked for or offered at once."""
ANSWER_MS: Final = 30_000
"""A peer that takes longer to answer is left."""
RETRY_MS: Final = 5_000
"""How long after a session that failed the next one begins."""
LIMIT_FAILURES: Final = 3
"""Sessions in a row that may fail before the neighbour counts as gone."""


@dataclass(slots=True)
class Session:
    """One session from `opener` to `server`, of frames from minute `first` on. `ended` is told whether it was whole."""

    world: World
    opener: Node
    server: Node
    first: int
    ended: Callable[[bool], None]
    wanted: list[Carried] = field(default_factory=list)
    lacking: list[Carried] = field(default_factory=list)
    _life: int = 0
    _step: int = 0
    _over: bool = False

    def begin(self) -> None:
        """Send the outline."""
        self._life = self.opener.life
        outline = self.opener.archive.outline(self.first)
        self._ask(lambda: self._served(outline))

    # Messages -------------------------------------------------------------------------------------------------------

    def _ask(self, serve: Callable[[], Callable[[], None] | None]) -> None:
        """Send a question; `serve` works at the server's and gives what the answer does at the opener's."""
        self._step += 1
        step = self._step
        opener, server = self.opener, self.server

        def served() -> None:
            if server.up and (answer := serve()) is not None:
                self.world.links.send(server.number, opener.number, lambda: answered(answer))

        def answered(answer: Callable[[], None]) -> None:
            if self._step == step and not self._over:  # the first copy of the answer that is waited for
                if opener.up and opener.life == self._life:
                    self._step += 1
                    answer()
                else:
                    self._end(whole=False)

        def too_late() -> None:
            if self._step == step:
                self._end(whole=False)

        self.world.links.send(opener.number, server.number, served)
        self.world.loop.after(ANSWER_MS, too_late)

    def _end(self, *, whole: bool) -> None:
        if not self._over:
            self._over = True
            self.ended(whole)

    # What the server says -------------------------------------------------------------------------------------------

    def _served(self, outline: dict[int, int]) -> Callable[[], None]:
        """Which spans differ, and what the server has in them; one with bad manners has nothing and wants nothing."""
        spans = self.server.archive.differing(outline, self.first)
        listed = {} if self.server.manners.drops else self.server.archive.listing(spans)
        return lambda: self._compare(spans, listed, -(-len(listed) // LIMIT_PAGE))

    def _compare(self, spans: Collection[int], listed: dict[int, Carried], pages: int) -> None:
        for one in self.opener.unheard(self.server.number, self.first):
            if one.frame.minute // SPAN not in spans or one.place in listed:
                self.opener.told_kept(one, self.server.number)
        mine = self.opener.archive.listing(spans)
        self.wanted = [one for place, one in listed.items() if place not in mine and self.opener.accepts(one)]
        self.lacking = [one for place, one in mine.items() if place not in listed and self.opener.accepts(one)]
        self._more_pages(pages)

    def _more_pages(self, pages: int) -> None:
        """Each page after the first is a question of its own."""
        if pages > 1:
            self._ask(lambda: lambda: self._more_pages(pages - 1))
        else:
            self._fetch()

    def _fetch(self) -> None:
        if not self.wanted:
            self._give()
            return
        batch, self.wanted = self.wanted[:LIMIT_TOGETHER], self.wanted[LIMIT_TOGETHER:]

        def came(found: list[Carried]) -> None:
            if self.opener.keep([one for one in found if self.opener.accepts(one)]):
                self._fetch()
            else:
                self._end(whole=False)

        def serve() -> Callable[[], None]:
            found = [one for one in batch if one in self.server.archive]
            return lambda: came(found)

        self._ask(serve)

    def _give(self) -> None:
        if not self.lacking:
            self._end(whole=True)
            return
        batch, self.lacking = self.lacking[:LIMIT_TOGETHER], self.lacking[LIMIT_TOGETHER:]

        def serve() -> Callable[[], None]:
            taken = [one for one in batch if self.server.accepts(one)]
            if not self.server.manners.drops and not self.server.keep(taken):
                taken = []
            return lambda: flagged(taken)

        def flagged(taken: list[Carried]) -> None:
            for one in taken:
                self.opener.told_kept(one, self.server.number)
            self._give()

        self._ask(serve)
