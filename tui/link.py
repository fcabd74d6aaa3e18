"""A conversation with the node that comes back: when the node dies it is started again and every view followed anew.

DESIGN §2. Nothing acknowledged is lost when a node dies, so the face only says it and goes on. A view followed again
asks for a snapshot: another node process numbers its changes from elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tertulia.protocol.control import Failure, LocalError, Notice, Problem, Value
from tertulia.tui.client import Client, Params, Update, gone
from tertulia.tui.view import View

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0
"""Seconds between tries to reach a node; doubled each time it fails."""


def _nothing(_problem: Problem) -> None:
    """What a view does about a refusal unless told otherwise: it stays as it was."""


@dataclass(slots=True, eq=False)
class Following:
    """One followed view: `on_change` runs after each update, `on_failure` when the node does not show it."""

    name: str
    params: Params
    on_change: Callable[[View], None]
    on_failure: Callable[[Problem], None] = _nothing
    view: View = field(default_factory=View)
    number: int | None = None

    def begin(self, client: Client) -> None:
        """Ask this client's node for the view."""
        self.number = client.watch(self.name, self.params, self._take)

    def _take(self, update: Update) -> None:
        if isinstance(update, Failure):
            self.number = None
            self.on_failure(update.problem)
            return
        self.view.apply(update)
        self.on_change(self.view)


@dataclass(slots=True)
class Link:
    """The face's one connection. `on_up` runs after each hello, `on_down` when the node is gone or cannot be had."""

    attach: Callable[[], Awaitable[Client]]
    on_up: Callable[[], Awaitable[None]]
    on_down: Callable[[Problem], None]
    on_notice: Callable[[Notice], None]
    client: Client | None = None
    _followings: list[Following] = field(default_factory=list)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                client = await self.attach()
            except LocalError as absent:
                self.on_down(absent.problem)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            await self._hold(client)
            self.on_down(gone().problem)

    async def _hold(self, client: Client) -> None:
        """Use this client until its node has gone."""
        ended = asyncio.Event()
        client.on_end = ended.set
        client.on_notice = self.on_notice
        self.client = client
        try:
            for following in self._followings:
                following.begin(client)
            await self.on_up()
            if client.is_open:
                await ended.wait()
        finally:
            self.client = None
            await client.close()

    async def call(self, method: str, /, **params: Value) -> Params:
        """Ask the node; raises NodeGone when there is none just now, and as `Client.call` does."""
        if self.client is None:
            raise gone()
        return await self.client.call(method, **params)

    def follow(self, following: Following) -> Following:
        """Follow a view, now and after every reconnection, until `unfollow`."""
        self._followings.append(following)
        if self.client is not None:
            following.begin(self.client)
        return following

    def unfollow(self, following: Following) -> None:
        """Stop following."""
        if following in self._followings:
            self._followings.remove(following)
            if self.client is not None and following.number is not None:
                self.client.unwatch(following.number)
