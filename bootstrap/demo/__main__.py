"""`python -m tertulia.bootstrap.demo`: hold the dialogue again, count, search, and say so in one line of JSON.

README, *See it work*; issue 2, point 3. Exit code 0 only if everybody saw everything, all states were one and no
plaintext was found. Invariants: it ends by itself; what it reports is what it found, also when something failed; the
folder with the profiles is gone afterwards unless it was to be kept.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import trio
from cyclopts import App, Parameter

from tertulia.bootstrap.demo.crew import Worker, WorkerDied, open_crew
from tertulia.bootstrap.demo.needles import needles
from tertulia.bootstrap.demo.places import COMMUNITY_LABEL, MOST, Looked, search_files
from tertulia.bootstrap.demo.plan import COMMUNITY, name_of, plan
from tertulia.bootstrap.demo.polis import Conversation, conversation
from tertulia.bootstrap.demo.proof import Untrustworthy, prove
from tertulia.bootstrap.demo.replay import EXPECTED, Outcome, Replay, ask_all
from tertulia.bootstrap.demo.screen import Screen
from tertulia.node.store.passphrase import DEFAULT_COST, Cost
from tertulia.protocol.control import LocalError, Value
from tertulia.protocol.shape import as_list

TALK_SECONDS: Final = 300.0
"""When the replay is broken off: 676 events for 27 nodes, on a machine that does other things too."""
COUNT_SECONDS: Final = 30.0
SEARCH_SECONDS: Final = 60.0
WORKERS: Final = "workers"
"""The folder, beside the profiles, of what workers complained of."""
DONE, NOT_DONE, NOT_UNDERSTOOD, INTERRUPTED = 0, 1, 2, 130

app = App(name="python -m tertulia.bootstrap.demo", version_flags=[], result_action="return_value")


@dataclass(slots=True)
class Findings:
    """What the demo found out about itself."""

    outcome: Outcome = field(default_factory=Outcome)
    payloads: Looked = field(default_factory=Looked)
    archives: Looked = field(default_factory=Looked)
    files: Looked = field(default_factory=Looked)
    searched: bool = False
    """Whether the search came to its end, with every tap attached."""

    @property
    def hits(self) -> int:
        """Pieces of plaintext, wherever they were."""
        return sum(looked.found.total() for looked in (self.payloads, self.archives, self.files))


def texts_of(talk: Conversation) -> dict[str, str]:
    """Everything that must be nowhere in clear, by the name under which it may be mentioned."""
    texts = {f"statement {statement.number}": statement.text for statement in talk.statements}
    texts |= {f"nickname {citizen}": name_of(citizen) for citizen in talk.citizens}
    return texts | {"the topic": talk.topic, COMMUNITY_LABEL: COMMUNITY}


@app.default
def demo(
    *,
    citizens: int = 27,
    statements: int = 36,
    workers: int = 4,
    seed: int = 1,
    kdf_mib: int = 8,
    kdf_ops: int = 1,
    keep: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Hold a real dialogue again with real nodes on this machine, and see what became of every word.

    Parameters
    ----------
    citizens:
        How many take part, the founder included.
    statements:
        How many statements are made.
    workers:
        Processes that the nodes are spread over.
    seed:
        Draws who dials whom and who is away.
    kdf_mib:
        Memory that hashing a passphrase takes, in MiB; low here, 256 for a citizen.
    kdf_ops:
        Passes over that memory; low here, 6 for a citizen.
    keep:
        Keep the folder with the profiles and say where it is.
    """
    try:
        talk, cost = conversation().part(citizens, statements), Cost(kdf_mib, kdf_ops)
    except (ValueError, LocalError) as wrong:
        print(wrong, file=sys.stderr)
        return NOT_UNDERSTOOD
    screen = Screen()
    folder = Path(tempfile.mkdtemp(prefix="tertulia-demo-"))
    (folder / WORKERS).mkdir()
    if keep:
        screen.line(f"the profiles will stay in {folder}")
    code = INTERRUPTED
    try:
        code = trio.run(_demo_until_told, talk, seed, max(1, min(workers, citizens)), cost, folder, screen)
    except* KeyboardInterrupt:
        pass  # as SIGTERM, which the code says already
    finally:
        if code == INTERRUPTED:
            screen.line("interrupted; nothing of it is left running")
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return code


async def _demo_until_told(
    talk: Conversation, seed: int, size: int, cost: Cost, folder: Path, screen: Screen
) -> int:
    """The demo, ended early by SIGTERM: then workers and folder go as at the end."""
    code = INTERRUPTED
    async with trio.open_nursery() as nursery:

        async def watch(*, task_status: trio.TaskStatus[None]) -> None:
            with trio.open_signal_receiver(signal.SIGTERM) as told:
                task_status.started()
                async for _ in told:
                    nursery.cancel_scope.cancel()

        await nursery.start(watch)
        code = await _demo(talk, seed, size, cost, folder, screen)
        nursery.cancel_scope.cancel()
    return code


async def _demo(talk: Conversation, seed: int, size: int, cost: Cost, folder: Path, screen: Screen) -> int:
    screen.line(f"{len(talk.citizens)} nodes in {size} processes on loopback; data: Polis, CC BY 4.0 (see data/)")
    screen.line(
        f"passphrases are hashed with {cost.mib} MiB and {cost.ops} pass(es) here, "
        f"with {DEFAULT_COST.mib} MiB and {DEFAULT_COST.ops} for a citizen"
    )
    texts = texts_of(talk)
    try:
        with tempfile.TemporaryDirectory(prefix="tertulia-planted-") as planted:
            await prove(needles(texts), texts, Path(planted))
    except Untrustworthy as blind:
        screen.line(f"the search for plaintext cannot be trusted: {blind}")
        return NOT_DONE
    screen.line(f"the search found all {len(texts)} planted texts in payloads, archives and files")
    async with open_crew(size, folder / WORKERS) as workers:
        replay = Replay(talk, plan(talk, seed), workers, folder, cost, screen)
        findings = await _hold(replay, workers, texts, folder, screen)
    return _report(talk, cost, findings, screen)


async def _hold(
    replay: Replay, workers: tuple[Worker, ...], texts: dict[str, str], folder: Path, screen: Screen
) -> Findings:
    """Replay, count, search; each as far as it goes."""
    findings = Findings()
    with _telling(screen, "the replay"), trio.fail_after(max(0.0, TALK_SECONDS - screen.seconds)):
        await ask_all(workers, "needles", texts=dict(texts))
        await replay.run()
    with _telling(screen, "counting"), trio.fail_after(COUNT_SECONDS):
        findings.outcome = await replay.outcome()
    with _telling(screen, "the search"), trio.fail_after(SEARCH_SECONDS):
        wanted = needles(texts)
        findings.files.join(await trio.to_thread.run_sync(search_files, wanted, folder / WORKERS))
        deaf: list[Value] = []
        for told in await ask_all(workers, "search"):
            deaf += as_list(told["deaf"], most=MOST)
            findings.payloads.join(Looked.hear(told["payloads"]))
            findings.archives.join(Looked.hear(told["archives"]))
            findings.files.join(Looked.hear(told["files"]))
        findings.searched = not deaf
        if deaf:
            screen.line(f"payloads to these citizens were not seen: {deaf}")
    return findings


@contextmanager
def _telling(screen: Screen, step: str) -> Iterator[None]:
    """Say on the screen what broke this step off, and go on with the next."""
    try:
        yield
    except EXPECTED as error:
        match error:
            case LocalError():
                reason = error.problem.error
            case WorkerDied():
                reason = str(error)
            case _:
                reason = "it took too long"
        for line in f"{step} was broken off: {reason}".splitlines():
            screen.line(line)


def _report(talk: Conversation, cost: Cost, findings: Findings, screen: Screen) -> int:
    """Say what was found; returns the exit code."""
    outcome = findings.outcome
    for place, looked in (
        ("payloads", findings.payloads), ("archive rows", findings.archives), ("files", findings.files)
    ):  # fmt: skip
        screen.line(f"searched {looked.size / 1e6:.1f} MB of {place}: {looked.found.total()} pieces of plaintext")
        for label, hits in looked.found.most_common(5):
            screen.line(f"  {label}: {hits}")
    if outcome.late:
        screen.line("not complete: citizens " + ", ".join(str(citizen) for citizen in outcome.late))
    facts = {
        "citizens": len(talk.citizens),
        "statements": len(talk.statements),
        "expected": talk.expected,
        "delivered": outcome.delivered,
        "state_hashes": outcome.state_hashes,
        "votes": len(talk.stands),
        "tallies": outcome.tallies,
        "plaintext_hits": findings.hits,
        "seconds": round(screen.seconds, 1),
        "searched": findings.searched,
        "payload_bytes": findings.payloads.size,
        "surplus": outcome.surplus,
        "kdf": {"mib": cost.mib, "ops": cost.ops},
    }
    screen.last(json.dumps(facts))
    complete = outcome.delivered == talk.expected and outcome.state_hashes == 1 and not outcome.surplus
    complete = complete and outcome.tallies == len(talk.citizens)
    return DONE if complete and findings.searched and not findings.hits else NOT_DONE


if __name__ == "__main__":
    raise SystemExit(app())
