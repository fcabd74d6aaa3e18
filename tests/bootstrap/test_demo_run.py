"""The demo itself, small: real nodes in real processes; what it reports is so, and it leaves nothing behind."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from tertulia.bootstrap.demo import __main__ as main
from tertulia.bootstrap.demo.crew import Worker, WorkerDied, open_crew
from tertulia.bootstrap.demo.needles import Unsearchable
from tertulia.bootstrap.demo.plan import name_of, plan
from tertulia.bootstrap.demo.polis import Conversation, conversation
from tertulia.bootstrap.demo.replay import Outcome, Replay, agreeing, count
from tertulia.bootstrap.demo.screen import Screen
from tertulia.node.store.passphrase import Cost
from tertulia.protocol.commons import HELLO_PROTOCOL
from tertulia.protocol.errors import LocalError

COMMAND = [sys.executable, "-m", "tertulia.bootstrap.demo", "--workers", "2", "--kdf-mib", "1"]
COUNTED = ["citizens", "statements", "expected", "delivered", "state_hashes", "votes", "tallies"]
KEYS = [*COUNTED, "plaintext_hits", "seconds"]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder)}


def test_four_citizens_hold_a_part_of_it_again(tmp_path: Path):
    command = [*COMMAND, "--citizens", "4", "--statements", "6"]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *shown, last = done.stdout.splitlines()
    facts = json.loads(last)
    assert list(facts)[: len(KEYS)] == KEYS
    seconds = facts["seconds"]
    votes = facts["votes"]
    assert [facts[key] for key in KEYS] == [4, 6, 24, 24, 1, votes, 4, 0, seconds]
    assert votes > 4
    assert facts["searched"]
    assert facts["payload_bytes"] > 100_000
    assert any("1 MiB" in line for line in shown)
    assert any("go offline: 3 nodes are left" in line for line in shown)
    assert any("are back, and complete" in line for line in shown)
    assert not any("\x1b" in line for line in shown)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ask", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_ends_workers_and_folder_too(ask: signal.Signals, tmp_path: Path):
    with subprocess.Popen(
        ["env", "--default-signal=INT", *COMMAND],  # which the tests' own shell may have set to be ignored
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "founded the community" in line:
                break
        running.send_signal(ask)
        rest = running.stdout.read()
        assert running.wait(30) == main.INTERRUPTED
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [["--citizens", "1"], ["--statements", "37"], ["--kdf-mib", "0"]])
def test_what_cannot_be_is_refused_before_anything_starts(wrong: list[str], tmp_path: Path):
    done = subprocess.run(
        [*COMMAND, *wrong], env=environment(tmp_path), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == main.NOT_UNDERSTOOD
    assert done.stderr.strip()
    assert not done.stdout
    assert not list(tmp_path.iterdir())


async def test_words_that_really_travel_in_clear_are_counted(tmp_path: Path):
    """A label for what neighbours do say readably stands for a leak: it must come through to the report."""
    talk = conversation().part(2, 1)
    texts = {**main.texts_of(talk), "leak": HELLO_PROTOCOL}
    (tmp_path / main.WORKERS).mkdir()
    out = io.StringIO()
    screen = Screen(out)
    async with open_crew(2, tmp_path / main.WORKERS) as workers:
        replay = Replay(talk, plan(talk, 1), workers, tmp_path, Cost(1, 1), screen)
        findings = await main._hold(replay, workers, texts, tmp_path, screen)
    assert findings.searched
    assert findings.outcome == Outcome(delivered=2, state_hashes=1, tallies=2)
    assert set(findings.payloads.found) == {"leak"}
    assert not findings.archives.found
    assert not findings.files.found
    assert main._report(talk, Cost(1, 1), findings, screen) == main.NOT_DONE
    assert json.loads(out.getvalue().splitlines()[-1])["plaintext_hits"] == findings.hits > 0


@pytest.mark.parametrize(
    ("outcome", "searched"),
    [
        (Outcome(delivered=971, state_hashes=1, tallies=27, late=[7]), True),
        (Outcome(delivered=972, state_hashes=2, tallies=27), True),
        (Outcome(delivered=972, state_hashes=1, tallies=27, surplus=1), True),
        (Outcome(delivered=972, state_hashes=1, tallies=26), True),
        (Outcome(delivered=972, state_hashes=1, tallies=27), False),
    ],
)
def test_what_is_not_so_is_said_and_is_a_failure(outcome: Outcome, searched: bool):
    out = io.StringIO()
    code = main._report(conversation(), Cost(8, 1), main.Findings(outcome, searched=searched), Screen(out))
    assert code == main.NOT_DONE
    facts = json.loads(out.getvalue().splitlines()[-1])
    assert facts["delivered"] == outcome.delivered
    assert facts["state_hashes"] == outcome.state_hashes


def test_all_being_so_is_a_success():
    findings = main.Findings(Outcome(delivered=972, state_hashes=1, tallies=27), searched=True)
    assert main._report(conversation(), Cost(8, 1), findings, Screen(io.StringIO())) == main.DONE


async def test_a_worker_that_dies_is_noticed_by_who_waits_and_by_who_asks_later(tmp_path: Path):
    async with open_crew(1, tmp_path) as (worker,):
        await open_three(worker, tmp_path)

        async def kill() -> None:
            await trio.testing.wait_all_tasks_blocked()
            worker.process.kill()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            with pytest.raises(WorkerDied):  # nobody is in a dialogue: what is waited for never comes
                await worker.ask("until", dialogue=bytes(32), count=1, citizens=[3], milliseconds=60_000)
        with pytest.raises(WorkerDied):
            await worker.ask("search")


async def open_three(worker: Worker, folder: Path) -> None:
    """Start the node of one citizen who has no profile yet."""
    await worker.ask("needles", texts={"one": "Global transparency is a must"})
    await worker.ask("open", citizen=3, folder=str(folder / "three"), listen="/ip4/127.0.0.1/tcp/0", peers=[])


async def test_a_worker_that_breaks_says_why(tmp_path: Path):
    async with open_crew(1, tmp_path) as (worker,):
        with pytest.raises(WorkerDied, match="KeyError"):
            await worker.ask("close", citizen=5)


async def test_what_a_node_refuses_and_what_takes_too_long_come_back_as_sentences(tmp_path: Path):
    async with open_crew(1, tmp_path) as (worker,):
        await open_three(worker, tmp_path)
        with pytest.raises(LocalError) as refused:
            await worker.call(3, "dialogue.list")
        assert refused.value.problem.next
        with pytest.raises(LocalError, match="waited too long"):
            await worker.ask("until", dialogue=bytes(32), count=1, citizens=[3], milliseconds=1)
        assert (await worker.ask("shown", dialogue=bytes(32)))["shown"] == [[3, 0]]
        await worker.ask("close", citizen=3)
        assert (await worker.ask("shown", dialogue=bytes(32)))["shown"] == []


def row(talk: Conversation, citizen: int, state: bytes, *, but: int = 0) -> list[object]:
    """What a citizen has, without the first so many statements."""
    said = talk.statements[but:]
    return [citizen, state, [[name_of(statement.author), statement.text] for statement in said]]


def test_statements_are_counted_once_a_citizen_under_the_right_name():
    talk = conversation().part(3, 5)
    one, two, three = talk.citizens
    whole = [row(talk, citizen, b"a") for citizen in talk.citizens]
    assert count(talk, whole) == Outcome(delivered=15, state_hashes=1)
    assert count(talk, whole[:2]) == Outcome(delivered=10, state_hashes=1, late=[three])
    lacking = [row(talk, one, b"a"), row(talk, two, b"b", but=2), row(talk, three, b"a")]
    assert count(talk, lacking) == Outcome(delivered=13, state_hashes=2, late=[two])
    none = [[citizen, b"", []] for citizen in talk.citizens]
    assert count(talk, none) == Outcome(late=list(talk.citizens))
    assert count(talk, [*whole[:2], none[2]]) == Outcome(delivered=10, state_hashes=2, late=[three])
    twice = row(talk, three, b"a")
    twice[2] = [*twice[2], twice[2][0], ["Somebody else", talk.statements[0].text]]
    assert count(talk, [*whole[:2], twice]) == Outcome(delivered=15, state_hashes=1, surplus=2, late=[three])
    swapped = row(talk, three, b"a")
    swapped[2][0] = ["Somebody else", swapped[2][0][1]]
    assert count(talk, [*whole[:2], swapped]) == Outcome(delivered=14, state_hashes=1, surplus=1, late=[three])


def test_a_citizen_agrees_with_the_export_on_every_statement_or_not_at_all():
    talk = conversation().part(3, 5)
    right = [[text, *counts] for text, counts in talk.tallies.items()]
    off = [[text, agree, disagree + 1, passed] for text, agree, disagree, passed in right]
    assert sum(sum(counts) for counts in talk.tallies.values()) == len(talk.stands) > 0
    assert agreeing(talk, [[0, right], [1, right[::-1]], [2, off]]) == 2
    assert agreeing(talk, [[0, right[1:]], [1, [*right, right[0]]], [2, []]]) == 0


def test_needles_without_letters_stop_the_demo_before_it_starts():
    with pytest.raises(Unsearchable):
        main.needles({"short": "no"})


class Terminal(io.StringIO):
    """Text that believes to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_line_that_changes_is_shown_on_terminals_only():
    plain, terminal = io.StringIO(), Terminal()
    for out in (plain, terminal):
        screen = Screen(out)
        screen.progress("statements", 1, 2)
        screen.line("said: " + "x" * 200)
        screen.last("{}")
    assert plain.getvalue().count("\n") == 2
    assert "\x1b" not in plain.getvalue()
    assert all(len(line) <= 100 for line in plain.getvalue().splitlines())
    assert "1 of 2 statements" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n{}\n")
