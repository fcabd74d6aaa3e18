"""Worlds of the mesh lab: the same seed is the same run, every trouble is survived, and every rule can be broken.

Spec: docs/guide/mesh.md. Cores and cryptography are real; the sabotage here is done to the model around them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest

from tertulia.bootstrap.mesh.disk import Disk, Row
from tertulia.bootstrap.mesh.report import line, outcome, told
from tertulia.bootstrap.mesh.scenario import Crashes, Milliseconds, Scenario, load
from tertulia.bootstrap.mesh.world import DAY, HOUR, World
from tertulia.protocol import frame as frames
from tertulia.protocol.core import Core
from tertulia.protocol.dialogue import Dialogue
from tertulia.protocol.effects import Put, Table
from tertulia.protocol.state import State
from tertulia.protocol.turn import Turn

SMALL = replace(load("calm"), nodes=5, days=0.5, talk=replace(load("calm").talk, members=4, says=30))
MESH = (sys.executable, "-m", "tertulia.bootstrap.mesh")


def world(scenario: Scenario = SMALL, seed: int = 1) -> World:
    return World(scenario, seed)


def rules(world: World) -> set[str]:
    return {finding.rule for finding in world.oracle.findings}


# -- a run -------------------------------------------------------------------------------------------------------------


def test_on_a_calm_day_everybody_hears_everything():
    calm = world(load("calm"))
    calm.run()
    assert rules(calm) == set()
    assert calm.oracle.said
    assert len(calm.oracle.fingerprints()) == 8
    assert len({state.split(":")[1] for state in calm.oracle.fingerprints()}) == 1


@pytest.mark.parametrize("name", ["links", "parted", "clocks", "crashes", "disks", "churn", "hostile"])
def test_one_family_of_troubles_is_survived(name):
    troubled = world(load(name), seed=2)
    troubled.run()
    assert told(outcome(troubled, name, 0.0))[:-1] == []
    calm = {"frames", "batches", "bytes", "sessions", "says", "frames of the honest"}
    assert (set(troubled.counts) - calm) | (set(troubled.links.counts) - {"sent"}) or troubled.scenario.clocks.skew


def traced(hash_seed: str, *arguments: str) -> str:
    ran = subprocess.run(
        (*MESH, "run", *arguments), env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, check=True
    )
    return json.loads(ran.stdout.splitlines()[-1])["traces"][f"{arguments[0]}/{arguments[2]}"]


def test_the_same_seed_is_the_same_run_in_whatever_process():
    """Though HPKE draws its own randomness, so that hardly a byte on the wire is the same."""
    here = world(load("storm"), seed=3)
    here.run()
    assert traced("1", "storm", "--seed", "3") == traced("2", "storm", "--seed", "3") == here.trace.digest
    other = world(load("storm"), seed=4)
    other.run()
    assert other.trace.digest != here.trace.digest


# -- rules that can be broken ------------------------------------------------------------------------------------------


def test_an_exception_in_a_core_is_a_finding_and_ends_with_a_report():
    def broken(_core: Core, _turn: Turn) -> None:
        raise ValueError("as if")

    hurt = world()
    hurt.loop.after(HOUR, lambda: hurt.nodes[0].force(broken))
    hurt.run()
    assert rules(hurt) == {"no exception"}
    run = outcome(hurt, "calm", 1.0)
    assert not run.ok
    assert "calm seed 1: 1 FINDINGS" in line(run)
    assert "ValueError: as if" in told(run)[0]
    assert told(run)[-1].endswith("python -m tertulia.bootstrap.mesh replay 1 --scenario calm")


@dataclass(slots=True)
class ForgetfulDisk(Disk):
    """A disk that loses the rows of one table."""

    table: Table = Table.EVENT

    def commit(self, rows, cursor, rescans):  # type: ignore[no-untyped-def]
        kept: list[Row] = [row for row in rows if not (isinstance(row, Put) and row.table is self.table)]
        Disk.commit(self, kept, cursor, rescans)


@pytest.mark.parametrize("table", [Table.EVENT, Table.EPOCH, Table.DOOR, Table.PREKEY])
def test_a_row_that_is_not_written_is_found_when_the_machine_dies(table):
    hurt = world(replace(SMALL, crashes=Crashes(every=Milliseconds(3 * HOUR))))
    for node in hurt.nodes:
        node.disk = ForgetfulDisk(rows=node.disk.rows, table=table)
    hurt.run()
    assert "the rows are the core" in rules(hurt)


def finished() -> World:
    done = world()
    done.run()
    assert rules(done) == set()
    return done


def test_words_in_the_clear_in_a_frame_are_found():
    done = finished()
    one = next(iter(done.registry.values())).frame
    done.carried(frames.read(one.raw[:100] + done.needle.encode() + one.raw[100 + len(done.needle) :]))
    assert rules(done) == {"no plaintext"}


def test_an_event_that_somebody_lacks_is_found():
    done = finished()
    said = done.oracle.said[-1]
    for node in done.nodes:
        if node is not said.node and node.core is not None and said.dialogue in node.core.dialogues:
            dialogue = node.core.dialogues[said.dialogue].branch()
            del dialogue.events[said.event]
            dialogue._fold_anew()
            node.core.dialogues[said.dialogue] = dialogue
            break
    done.oracle.judge()
    assert "nothing lost" in rules(done)


def test_an_event_that_reaches_nobody_is_found():
    done = finished()
    done.oracle.acknowledged(done.oracle.said[0].node, done.oracle.said[0].dialogue, bytes(32))
    done.oracle.judge()
    assert rules(done) == {"nothing acknowledged is lost"}


class AnotherState(Dialogue):
    """As if the fold depended on something else than the events."""

    __slots__ = ()

    @property
    def state(self) -> State:
        return replace(Dialogue.state.fget(self), hash=bytes(32))  # type: ignore[attr-defined]


def test_two_states_of_one_set_of_events_are_found():
    done = finished()
    node = next(node for node in done.nodes if node.core is not None and node.core.dialogues)
    assert node.core is not None
    ((key, dialogue),) = node.core.dialogues.items()
    node.core.dialogues[key] = dialogue.branch()
    node.core.dialogues[key].__class__ = AnotherState
    done.oracle.judge()
    assert {"one state for a set of events", "one state at the end"} <= rules(done)


def test_keys_beyond_their_lives_are_found():
    done = finished()
    for node in done.nodes:
        node.skew = 10 * DAY
    done.oracle.audit()
    assert rules(done) == {"no key beyond its life"}
    assert len({finding.what.split(": ")[1] for finding in done.oracle.findings}) >= 3


def test_who_is_said_to_have_received_what_they_do_not_hold_is_found():
    done = finished()
    for node in done.nodes[:3]:
        node.disk.rows[Table.EVENT] = {}
    done.oracle.audit()
    assert "what is said to be received is" in rules(done)


def test_what_never_comes_to_rest_is_found():
    done = finished()
    node = done.nodes[0]
    node.archive.evict(2**32)
    done.oracle.judge()
    assert "everything drains" in rules(done)
