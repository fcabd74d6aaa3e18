"""The cast: thirteen citizens, each a whole node with a profile of its own, and a relay in a process of its own.

Issue 6. The citizens share this process; they speak to each other through the relay alone, once it is listed.
Invariants: every wait has an end; when the block ends nothing of it runs, and the relay's folder can be searched.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from tertulia.bootstrap.relay.client import call
from tertulia.bootstrap.relay.place import Place
from tertulia.node.citizen import Citizen, open_citizen
from tertulia.node.config import Config
from tertulia.protocol import views
from tertulia.protocol.errors import LocalError
from tertulia.protocol.ids import DialogueId

FACILITATORS: Final = ("Ruth", "Omar")
DIASPORA: Final = ("Amina", "Yonas", "Hana", "Sara", "Dawit")
HOME: Final = ("Selam", "Daniel", "Tigist", "Abel")
OFFICIALS: Final = ("Klara", "Lukas")
EVERYBODY: Final = (*FACILITATORS, *DIASPORA, *HOME, *OFFICIALS)
FOUNDER: Final = FACILITATORS[0]
PATIENCE_SECONDS: Final = 120.0
"""The longest that anything is waited for, on a machine that does other things too."""
LOOK_SECONDS: Final = 0.05
"""Between two looks at what another process does."""
RELAY: Final = (sys.executable, "-P", "-m", "tertulia.bootstrap.relay")
PASSPHRASE: Final = "a story that is told to everybody"  # noqa: S105 - nothing is kept with it


@dataclass(slots=True)
class Cast:
    """Who is there. `texts` is what was said, for the search of what the relay holds."""

    folder: Path
    nursery: trio.Nursery
    citizens: dict[str, Citizen] = field(default_factory=dict)
    leaving: dict[str, trio.Event] = field(default_factory=dict)
    gone: dict[str, trio.Event] = field(default_factory=dict)
    let_in: set[bytes] = field(default_factory=set)
    talk: str = ""
    texts: list[str] = field(default_factory=list)

    @property
    def key(self) -> DialogueId:
        """The dialogue."""
        return DialogueId(bytes.fromhex(self.talk))

    @property
    def relay(self) -> Path:
        """The relay's folder."""
        return self.folder / "relay"

    async def come(self, name: str) -> Citizen:
        """Somebody's machine is switched on."""
        citizen: Citizen = await self.nursery.start(self._home, name)
        return citizen

    async def _home(self, name: str, *, task_status: trio.TaskStatus[Citizen] = trio.TASK_STATUS_IGNORED) -> None:
        """A machine, from being switched on to being switched off."""
        async with open_citizen(self.folder / name, Config()) as citizen:
            self.citizens[name], self.leaving[name], self.gone[name] = citizen, trio.Event(), trio.Event()
            task_status.started(citizen)
            await self.leaving[name].wait()
            del self.citizens[name]
        self.gone[name].set()

    async def back(self, name: str) -> None:
        """Somebody's machine is switched on again."""
        await (await self.come(name)).call("unlock", {"passphrase": PASSPHRASE})

    async def go(self, name: str) -> None:
        """Somebody's machine is switched off."""
        self.leaving[name].set()
        await self.gone[name].wait()

    async def ask(self, who: str, method: str, /, **params: Any) -> dict[str, Any]:
        """Have somebody do something in the dialogue. Raises LocalError."""
        for said in ("text", "reason"):
            if len(str(params.get(said, ""))) > 12:
                self.texts.append(str(params[said]))
        return await self.citizens[who].call(method, {"dialogue": self.talk, **params})

    async def refused(self, who: str, method: str, /, **params: Any) -> str:
        """The sentence that somebody is refused with; empty when they are not."""
        try:
            await self.ask(who, method, **params)
        except LocalError as error:
            return error.problem.error
        return ""

    async def admit(self, expected: int) -> None:
        """The founder lets in so many people as they knock, one by one."""
        founder = self.citizens[FOUNDER]
        for _ in range(expected):
            await self.until(lambda: founder.service.core.knocks.keys() - self.let_in, FOUNDER)
            knock = min(founder.service.core.knocks.keys() - self.let_in)
            self.let_in.add(knock)
            await founder.call("admit", {"knock": knock.hex()})

    async def until(self, holds: Callable[[], object], *names: str) -> None:
        """Wait until something holds; looked at when what these people see, or all, has changed, and now and then.

        Now and then, because what changes nothing that is shown is announced to nobody.
        """
        changed = trio.Event()

        def note(_view: object, _dialogue: object) -> None:
            changed.set()

        watched = [self.citizens[name].service.on_shown for name in names or self.citizens]
        for shown in watched:
            shown.append(note)
        try:
            with trio.fail_after(PATIENCE_SECONDS):
                while not holds():
                    changed = trio.Event()
                    with trio.move_on_after(LOOK_SECONDS):
                        await changed.wait()
        finally:
            for shown in watched:
                shown.remove(note)

    async def all_hold(self, event: str, *names: str) -> None:
        """Wait until everybody who is there, or these, hold an event."""
        wanted = bytes.fromhex(event)

        def holds(name: str) -> bool:
            return wanted in self.citizens[name].service.core.dialogues[self.key].events

        await self.until(lambda: all(map(holds, names or self.citizens)), *names)

    async def act(self, deed: str, reason: str, **params: Any) -> str:
        """Both facilitators do something to a room: one proposes it, the other signs where that is needed."""
        done = await self.ask(FACILITATORS[0], "act", deed=deed, reason=reason, **params)
        await self.cosigned(done)
        return str(done["act"])

    async def cosigned(self, done: dict[str, Any]) -> None:
        """The other facilitator signs what waits for it; then everybody has it."""
        act = str(done["act"])
        await self.all_hold(act)
        if done["state"] == "pending":
            signed = await self.ask(FACILITATORS[1], "cosign", act=act)
            assert signed["state"] == "done", signed
        await self.agree()

    def states(self) -> set[bytes]:
        """The state hashes of everybody who is there."""
        return {citizen.service.core.dialogues[self.key].state.hash for citizen in self.citizens.values()}

    async def agree(self) -> None:
        """Wait until everybody who is there has the same state."""
        await self.until(lambda: len(self.states()) == 1)

    def read(self, name: str) -> list[str]:
        """The words somebody sees in the plenary."""
        return [str(row["text"]) for _, row in views.messages(self.citizens[name].service.core, self.key)]


@asynccontextmanager
async def cast(folder: Path) -> AsyncIterator[Cast]:
    """Everybody's machines, as they are switched on; the relay is started by `start_relay`."""
    async with trio.open_nursery() as nursery:
        one = Cast(folder, nursery)
        yield one
        for leaving in one.leaving.values():
            leaving.set()
        for name in tuple(one.gone):
            await one.gone[name].wait()
        nursery.cancel_scope.cancel()


async def start_relay(one: Cast, ticket: str) -> str:
    """Yusuf runs a relay for the community of this ticket; its address. He is a member of nothing."""
    where = ("--folder", str(one.relay), "--json")
    for words in (("init", "--yes", "--announce", "127.0.0.1"), ("quota", *_settings())):
        await trio.run_process([*RELAY, *words, *where], capture_stdout=True, capture_stderr=True)
    run = partial(trio.run_process, [*RELAY, "run", *where], stdin=b"", stderr=subprocess.DEVNULL)
    one.nursery.start_soon(run)
    place = Place.at(one.relay)
    with trio.fail_after(PATIENCE_SECONDS):
        while not place.profile.socket_file.exists():  # noqa: ASYNC110 - another process
            await trio.sleep(LOOK_SECONDS)
    told = await trio.to_thread.run_sync(lambda: call(place, "allow", ticket=ticket))
    return str(told["address"])


def _settings() -> tuple[str, ...]:
    """Where the relay listens: on loopback, at a port that is free now."""
    with socket.socket() as trying:
        trying.bind(("127.0.0.1", 0))
        return "address.first_port", str(trying.getsockname()[1]), "address.listen", "127.0.0.1"
