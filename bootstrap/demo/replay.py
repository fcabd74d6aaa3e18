"""The dialogue happens again: a community is founded, 26 people join, everybody says what they said, some are away.

Issue 2, point 3. Invariants: every step waits for what it needs to be so, never for a time to pass, and has a deadline;
an author says only their own statements, from their own node; what is counted at the end is what each citizen's `read`
shows, each statement once, under its author's name.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import trio

from tertulia.bootstrap.demo.crew import Worker, WorkerDied
from tertulia.bootstrap.demo.plan import COMMUNITY, Plan, name_of
from tertulia.bootstrap.demo.polis import FOUNDER, Conversation, Statement
from tertulia.bootstrap.demo.screen import Screen
from tertulia.node.addresses import Listen, free_port
from tertulia.node.store.passphrase import Cost
from tertulia.node.substrate import peer_id_of
from tertulia.protocol.control import LocalError, Value
from tertulia.protocol.event import Kind
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.shape import as_bytes, as_int, as_list, as_text

T = TypeVar("T")

LOOPBACK: Final = ipaddress.IPv4Address("127.0.0.1")
STARTING: Final = 2
"""Nodes that start at the same time in one worker."""
AHEAD: Final = 4
"""How many statements may be on their way at once: the next is said when all but so many are with all who are here."""
VOTES_AHEAD: Final = 32
"""How many votes may be on their way at once."""
STEP_SECONDS: Final = 80
"""How long any one step may take; all together have their own deadline."""
SHOW_SECONDS: Final = 0.25
SEED: Final = 32
MOST: Final = 1 << 20
EXPECTED: Final = (LocalError, WorkerDied, trio.TooSlowError)
"""How a step can fail."""


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    delivered: int = 0
    """Statements that citizens see, each counted once a citizen, under the right name and in the right words."""
    state_hashes: int = 0
    """Different states of the dialogue among all citizens; having none is one of them, unless nobody has any."""
    surplus: int = 0
    """Messages that citizens see and nobody said: none."""
    tallies: int = 0
    """Citizens who see of every statement how many agree, disagree and pass, as the export has it."""
    late: list[int] = field(default_factory=list)
    """Citizens that are not complete."""


class Replay:
    """The dialogue, the people and their nodes."""

    def __init__(
        self, talk: Conversation, plan: Plan, workers: tuple[Worker, ...], folder: Path, cost: Cost, screen: Screen
    ) -> None:
        self.talk, self.plan, self.cost = talk, plan, cost
        self._workers, self._folder, self._screen = workers, folder, screen
        self._passphrase = secrets.token_urlsafe(24)
        self._here: list[int] = []
        self._dialogue = DialogueId(bytes(32))
        self._said = 0
        self._ids: dict[int, str] = {}
        self._places: dict[int, Listen] = {}
        self._seeds = {citizen: secrets.token_bytes(SEED) for citizen in talk.citizens}
        for citizen in talk.citizens:
            place = Listen(LOOPBACK, free_port(LOOPBACK))
            while place in self._places.values():
                place = Listen(LOOPBACK, free_port(LOOPBACK))
            self._places[citizen] = place

    def _worker(self, citizen: int) -> Worker:
        return self._workers[self.talk.citizens.index(citizen) % len(self._workers)]

    async def run(self) -> None:
        """All of it. Raises TooSlowError, LocalError, WorkerDied."""
        invite = await self._found()
        await self._gather_everyone(invite)
        await self._talk()
        await self._vote()

    # Beginning ------------------------------------------------------------------------------------------------------

    async def _found(self) -> str:
        """The founder starts community and dialogue; returns the invite for everyone."""
        with trio.fail_after(STEP_SECONDS):
            await self._start(FOUNDER)
            await self._init(FOUNDER)
            founder = self._worker(FOUNDER)
            await founder.call(FOUNDER, "commons.new", name=COMMUNITY, listen=str(self._places[FOUNDER]))
            made = await founder.call(FOUNDER, "dialogue.new", title=self.talk.topic)
            self._dialogue = DialogueId(bytes.fromhex(as_text(made["dialogue"], MOST)))
            uses = len(self.talk.citizens) - 1
            invited = await founder.call(FOUNDER, "invite", dialogue=self._dialogue.hex(), uses=uses)
        self._here.append(FOUNDER)
        self._screen.line(f"{name_of(FOUNDER)} founded the community, opened the dialogue and invited {uses}")
        return as_text(invited["invite"], MOST)

    async def _gather_everyone(self, invite: str) -> None:
        """All others start, knock and are admitted. Together: each admission takes all who knock within two seconds."""
        guests = [citizen for citizen in self.talk.citizens if citizen != FOUNDER]
        slots = trio.CapacityLimiter(STARTING * len(self._workers))
        started: list[int] = []

        async def start(citizen: int) -> None:
            async with slots:
                await self._start(citizen)
                await self._init(citizen)
                wait: dict[str, Value] = {"invite": invite, "seed": self._seeds[citizen]}
                await self._worker(citizen).ask("settle", citizen=citizen, milliseconds=STEP_SECONDS * 1000, **wait)
                started.append(citizen)
                self._screen.progress("nodes started", len(started), len(guests))

        with trio.fail_after(STEP_SECONDS):
            await _all(start, guests)
        self._screen.line(f"{len(guests)} others started their nodes, dialled, and are in step with somebody")

        async def enter(citizen: int) -> None:
            knocked = await self._worker(citizen).call(citizen, "join", invite=invite)
            asked: dict[str, Value] = {"for": "join", "join": knocked["join"], "seconds": STEP_SECONDS}
            answer = await self._worker(citizen).call(citizen, "wait", **asked)
            if answer["state"] != "admitted":
                raise trio.TooSlowError
            self._here.append(citizen)
            self._screen.progress("admitted", len(self._here) - 1, len(guests))

        with trio.fail_after(STEP_SECONDS):
            await _all(enter, guests)
        self._screen.line(f"all {len(guests)} were admitted")

    async def _start(self, citizen: int) -> None:
        near = self.plan.neighbours[citizen]
        peers: list[Value] = [f"{self._places[other]}/p2p/{peer_id_of(self._seeds[other])}" for other in near]
        folder = str(self._folder / f"citizen-{citizen:02}")
        place = str(self._places[citizen])
        await self._worker(citizen).ask("open", citizen=citizen, folder=folder, listen=place, peers=peers)

    async def _init(self, citizen: int) -> None:
        mib, ops = self.cost.mib, self.cost.ops
        await self._worker(citizen).call(
            citizen, "init", nick=name_of(citizen), passphrase=self._passphrase, kdf_mib=mib, kdf_ops=ops
        )

    # Talking --------------------------------------------------------------------------------------------------------

    async def _talk(self) -> None:
        async with self._showing():
            for number, statement in enumerate(self.talk.statements):
                for absence in self.plan.absences:
                    if not absence.citizens:
                        continue
                    if absence.last == number:
                        await self._return(absence.citizens)
                    if absence.first == number:
                        await self._leave(absence.citizens)
                await self._shown_by_all(self._here, number - AHEAD)
                await self._say(statement)
            await self._shown_by_all(self._here, len(self.talk.statements))
        self._screen.line("everybody sees everything")

    async def _say(self, statement: Statement) -> None:
        worker = self._worker(statement.author)
        with trio.fail_after(STEP_SECONDS):
            said = await worker.call(
                statement.author, "say", dialogue=self._dialogue.hex(), text=statement.text, form="statement"
            )
        self._ids[statement.number] = as_text(said["id"], MOST)
        self._said += 1
        self._screen.line(f"{name_of(statement.author)}: {statement.text}")

    async def _vote(self) -> None:
        """Everybody takes the stances they took, in the order of their timestamps, as fast as all nodes carry them."""
        for number, vote in enumerate(self.talk.votes):
            if number % VOTES_AHEAD == 0:
                await self._shown_by_all(self._here, number - VOTES_AHEAD, Kind.STANCE)
                self._screen.progress("votes", number, len(self.talk.votes))
            params = {"dialogue": self._dialogue.hex(), "id": self._ids[vote.statement], "value": vote.value}
            with trio.fail_after(STEP_SECONDS):
                await self._worker(vote.citizen).call(vote.citizen, "stance", **params)
        await self._shown_by_all(self._here, len(self.talk.votes), Kind.STANCE)
        self._screen.line(f"{len(self.talk.votes)} votes were cast; everybody has all of them")

    async def _leave(self, citizens: tuple[int, ...]) -> None:
        """End their nodes, once they hold what has been said so far, as people do who read before they go."""
        await self._shown_by_all(citizens, self._said)

        async def leave(citizen: int) -> None:
            await self._worker(citizen).ask("close", citizen=citizen)
            self._here.remove(citizen)

        with trio.fail_after(STEP_SECONDS):
            await _all(leave, citizens)
        self._screen.line(f"{_names(citizens)} go offline: {len(self._here)} nodes are left")

    async def _return(self, citizens: tuple[int, ...]) -> None:
        """Start their nodes again, locked as any node starts, and unlock them."""
        missed = self._said

        async def come(citizen: int) -> None:
            await self._start(citizen)
            await self._worker(citizen).call(citizen, "unlock", passphrase=self._passphrase)

        began = trio.current_time()
        with trio.fail_after(STEP_SECONDS):
            await _all(come, citizens)
        await self._shown_by_all(citizens, missed)
        self._here.extend(citizens)
        took = trio.current_time() - began
        self._screen.line(f"{_names(citizens)} are back, and complete after {took:.1f} s")

    async def _shown_by_all(self, citizens: Iterable[int], count: int, kind: Kind = Kind.SAY) -> None:
        if count <= 0:
            return
        wanted = list(citizens)

        async def wait(worker: Worker) -> None:
            mine: list[Value] = [citizen for citizen in wanted if self._worker(citizen) is worker]
            if mine:
                asked: dict[str, Value] = {"dialogue": self._dialogue, "count": count, "kind": int(kind)}
                await worker.ask("until", citizens=mine, milliseconds=STEP_SECONDS * 1000, **asked)

        await _all(wait, self._workers)

    @asynccontextmanager
    async def _showing(self) -> AsyncIterator[None]:
        """Meanwhile show on the screen how much has arrived."""

        async def show() -> None:
            while True:
                await trio.sleep(SHOW_SECONDS)  # for people's eyes only; nothing waits for it
                try:
                    seen = await ask_all(self._workers, "shown", dialogue=self._dialogue)
                except WorkerDied:
                    return  # whoever waits for an answer hears of it too, and says so
                rows = [as_list(row, 2) for told in seen for row in as_list(told["shown"], most=MOST)]
                arrived = sum(as_int(count, 0, MOST) for _, count in rows)
                self._screen.progress("statements on screens", arrived, self.talk.expected)

        failed: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(show)
            try:
                yield
            except EXPECTED as error:
                failed = error
            nursery.cancel_scope.cancel()
        if failed is not None:
            raise failed

    # Counting -------------------------------------------------------------------------------------------------------

    async def outcome(self) -> Outcome:
        """Look at what every citizen has. Raises LocalError, WorkerDied."""
        told = await ask_all(self._workers, "gather", dialogue=self._dialogue)
        outcome = count(self.talk, [row for one in told for row in as_list(one["citizens"], most=MOST)])
        told = await ask_all(self._workers, "tallies", dialogue=self._dialogue)
        outcome.tallies = agreeing(self.talk, [row for one in told for row in as_list(one["citizens"], most=MOST)])
        return outcome


def count(talk: Conversation, rows: Iterable[Value]) -> Outcome:
    """Count what citizens have: rows of [citizen, state hash, [[author, text]…]]. Who has no row has nothing."""
    said = Counter((name_of(statement.author), statement.text) for statement in talk.statements)
    outcome, hashes, complete = Outcome(), set(), set()
    for row in rows:
        citizen, state, messages = as_list(row, 3)
        hashes.add(as_bytes(state))
        pairs = (as_list(pair, 2) for pair in as_list(messages, most=MOST))
        seen = Counter((as_text(author, MOST), as_text(text, MOST)) for author, text in pairs)
        outcome.delivered += (seen & said).total()
        outcome.surplus += (seen - said).total()
        if seen == said:
            complete.add(as_int(citizen, 0, MOST))
    outcome.late = [citizen for citizen in talk.citizens if citizen not in complete]
    outcome.state_hashes = len(hashes) if any(hashes) else 0
    return outcome


def agreeing(talk: Conversation, rows: Iterable[Value]) -> int:
    """How many citizens see the export's numbers: rows of [citizen, [[text, agree, disagree, pass]…]]."""
    right = 0
    for row in rows:
        _citizen, matters = as_list(row, 2)
        shown = [as_list(matter, 4) for matter in as_list(matters, most=MOST)]
        right += Counter((text, tuple(counts)) for text, *counts in shown) == Counter(talk.tallies.items())
    return right


def _names(citizens: tuple[int, ...]) -> str:
    return "Young Londoners " + ", ".join(f"{citizen:02}" for citizen in citizens)


async def ask_all(workers: Iterable[Worker], method: str, **params: Value) -> list[Mapping[str, Value]]:
    """Ask every worker the same. Raises as `Worker.ask`."""
    answers: list[Mapping[str, Value]] = []

    async def ask(worker: Worker) -> None:
        answers.append(await worker.ask(method, **params))

    await _all(ask, workers)
    return answers


async def _all(work: Callable[[T], Awaitable[None]], over: Iterable[T]) -> None:
    """Do it for all of them side by side; the first error ends the rest and comes out as itself."""
    errors: list[Exception] = []

    async def one(given: T, scope: trio.CancelScope) -> None:
        try:
            await work(given)
        except EXPECTED as error:
            errors.append(error)
            scope.cancel()

    async with trio.open_nursery() as nursery:
        for given in tuple(over):
            nursery.start_soon(one, given, nursery.cancel_scope)
    if errors:
        raise errors[0]
