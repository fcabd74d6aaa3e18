"""What every verb is given: the options all verbs share, and the way to an unlocked node.

docs/spec/control.md. A verb starts a node when none runs, unlocks it when it is locked, and lets it go at the end;
an ephemeral node then locks and ends by itself. A verb that changed something first waits until a peer has it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.cli import ask
from tertulia.tui.cli.output import Output
from tertulia.tui.client import Client, Params
from tertulia.tui.guard import int_of, rows_of
from tertulia.tui.launch import attach
from tertulia.tui.profile import Profile

DEFAULT_WAIT = 30
LIMIT_WAIT = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Context:
    """The options all verbs share."""

    profile: Profile
    output: Output
    passphrase_file: Path | None = None
    wait: int = DEFAULT_WAIT

    @asynccontextmanager
    async def node(self) -> AsyncIterator[Client]:
        """A conversation with the profile's node, started if need be, in whatever state it is."""
        client = await attach(self.profile)
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def unlocked(self) -> AsyncIterator[Client]:
        """A conversation with the node, unlocked; asks for the passphrase when it is locked."""
        async with self.node() as client:
            await self.unlock(client)
            yield client

    async def unlock(self, client: Client) -> None:
        """Unlock the node if it is locked. Raises LocalError when the profile is empty or the passphrase wrong."""
        state = (await client.call("status")).get("state")
        if state == "new":
            raise LocalError(
                Problem(
                    error=f"There is nobody in the profile “{self.profile.name}” yet.",
                    safe="Nothing was changed.",
                    next="Make yourself known to it first: tertulia init --nick NAME",
                )
            )
        if state == "locked":
            await client.call("unlock", passphrase=ask.passphrase(self.passphrase_file))

    async def delivered(self, client: Client, about: Params | None = None) -> "Delivered":
        """Hold the node until a peer has everything unsent or the wait ends.

        `about` names the message or the dialogue, so that what nobody else was there for is not called sent.
        """
        request: Params = {"for": "outbox", "seconds": 0, **(about or {})}
        answer = await client.call("wait", **request)
        if self.wait and answer.get("state") != "sent" and not answer.get("alone"):
            await self._say_if_nobody_is_there(client)
            answer = await client.call("wait", **{**request, "seconds": self.wait})
        if answer.get("alone"):
            return Delivered.ALONE
        return Delivered.SENT if answer.get("state") == "sent" else Delivered.STORED

    async def _say_if_nobody_is_there(self, client: Client) -> None:
        """Before a wait that may be long: a silent command looks like a broken one."""
        rows = rows_of(await client.call("status"), "commons")
        if not any(int_of(row, "peers") for row in rows):
            self.output.aside(
                f"Stored here; nobody of the community is reachable yet. Waiting up to {self.wait} s for another "
                "machine to hold it too; Ctrl+C ends only the wait, and it goes out at a later start."
            )

    async def deliver(
        self, client: Client, value: Mapping[str, object], sentence: str, about: Params | None = None
    ) -> None:
        """Wait as `delivered` does and print the verb's result with what became of it."""
        came = await self.delivered(client, about)
        self.output.result({**value, "state": came.state}, [sentence, came.value])


class Delivered(StrEnum):
    """What became of what a verb did, in a sentence."""

    SENT = "Sent: nothing of yours waits any more."
    STORED = "Stored on this machine; it is sent the next time others are reachable."
    ALONE = "On this machine only: nobody else is in the dialogue."

    @property
    def state(self) -> str:
        """In the word that scripts read: another machine has it, or only this one."""
        return "sent" if self is Delivered.SENT else "stored"


def plain(result: Params) -> dict[str, object]:
    """A node's result as a dict of any values, ready to be extended."""
    return dict(result)
