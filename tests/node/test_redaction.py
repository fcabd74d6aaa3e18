"""The log: it says how much and how often, and cannot be made to say who or what."""

import enum
import json
import logging
import os
import subprocess
import sys

import pytest

from tertulia.node import redaction
from tertulia.node.config import LogLevel
from tertulia.node.redaction import Event, NodeLog, log, log_crash
from tertulia.node.store.problems import StoreFailed
from tertulia.protocol.errors import RejectReason

SECRETS = {
    "text": "the meeting is at nine",
    "nick": "Rosa",
    "id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "address": "/ip4/192.0.2.77/tcp/4001",
    "peer": "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN",
    "key": "c2VjcmV0IGtleSBvZiBhIGNpdGl6ZW4",
}


class Odd(enum.Enum):
    GOOD = "9f86d081884c7d659a2f"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "node.log"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def bare(path):
    return [{key: value for key, value in line.items() if key != "time"} for line in lines(path)]


def fail(error):
    raise error


def hits(path):
    """Every secret found in the log or a file rotated from it."""
    said = "".join(file.read_text() for file in path.parent.iterdir())
    return [name for name, secret in SECRETS.items() if secret in said]


def test_a_line_is_an_event_with_what_may_be_said(path):
    with NodeLog(path):
        log(Event.FRAMES_REJECTED, count=3, reason=RejectReason.MAC)
        log(Event.HARDENED, core_off=True)
    assert bare(path) == [
        {"level": "info", "event": "frames rejected", "count": 3, "reason": "mac"},
        {"level": "info", "event": "hardened", "core_off": True},
    ]
    assert lines(path)[0]["time"].endswith("Z")
    assert path.stat().st_mode & 0o777 == 0o600


def test_anything_else_is_left_out_and_counted(path):
    with NodeLog(path):
        log(Event.PEERS, **SECRETS)
        for secret in SECRETS.values():
            log(Event.PEERS, peers=secret)
            log(Event.PEERS, peers=secret.encode())
            log(Event.PEERS, peers=[secret])
            log(Event.PEERS, **{secret: 1})
        log(Event.PEERS, event=1, time=2, module=3)
        log(Event.PEERS, peers=int(SECRETS["id"], 16))
        log(Event.PEERS, state=Odd.GOOD)
    assert hits(path) == []
    assert "9f86" not in path.read_text()
    assert bare(path)[0] == {"level": "info", "event": "peers", "refused": len(SECRETS)}
    assert bare(path)[-1] == {"level": "info", "event": "peers", "state": "good"}


@pytest.mark.parametrize(
    "name", ["libp2p", "libp2p.pubsub.gossipsub", "multiaddr", "tertulia", "tertulia.node", "py.warnings"]
)
def test_what_others_log_loses_its_words(path, name):
    with NodeLog(path):
        for secret in SECRETS.values():
            logging.getLogger(name).warning("peer says %s", secret)
            logging.getLogger(name).error(secret, extra={"detail": secret})
            logging.getLogger(name).debug(secret)
            logging.getLogger(name).info(secret)
            try:
                fail(ValueError(secret))
            except ValueError:
                logging.getLogger(name).exception(secret)
    assert hits(path) == []
    assert len(lines(path)) == 3 * len(SECRETS)
    assert {(line["event"], line["level"]) for line in lines(path)} == {("library", "warning")}


def test_a_logger_named_after_a_peer_does_not_tell_its_name(path):
    with NodeLog(path):
        logging.getLogger(f"libp2p.{SECRETS['peer']}").warning("x")
        logging.getLogger("libp2p").getChild(SECRETS["nick"]).warning("x")
    assert hits(path) == []
    assert {line["module"] for line in lines(path)} == {"other"}


def test_a_library_that_empties_its_handlers_is_still_caught(path, capfd):
    """py-libp2p does that when it is imported, with propagation off."""
    with NodeLog(path):
        logger = logging.getLogger("libp2p")
        logger.handlers.clear()
        logger.propagate = False
        logger.getChild("x").warning(SECRETS["peer"])
    assert hits(path) == []
    assert len(lines(path)) == 1
    assert SECRETS["peer"] not in capfd.readouterr().err


def test_an_error_nobody_caught_is_named_by_kind_and_place(path):
    with NodeLog(path):
        try:
            fail(ExceptionGroup(SECRETS["text"], [ValueError(SECRETS["key"]), OSError(SECRETS["address"])]))
        except ExceptionGroup as error:
            error.add_note(SECRETS["nick"])
            log_crash(error)
    assert hits(path) == []
    kinds = [line["kind"] for line in lines(path)]
    assert kinds == ["ExceptionGroup", "ValueError", "OSError"]
    assert len(lines(path)[0]["places"]) == 2


def test_debug_is_written_when_asked_for_and_warnings_always(path):
    for level, expected in (
        (LogLevel.WARNING, ["commit failed"]),
        (LogLevel.INFO, ["synced", "commit failed"]),
        (LogLevel.DEBUG, ["batch", "synced", "commit failed"]),
    ):
        with NodeLog(path, level):
            log(Event.BATCH, inputs=1)
            log(Event.SYNCED, frames=2)
            log(Event.COMMIT_FAILED)
        assert [line["event"] for line in lines(path)] == expected
        path.unlink()


def test_the_file_does_not_grow_for_ever(path, monkeypatch):
    monkeypatch.setattr(redaction, "LIMIT_LOG_BYTES", 10_000)
    with NodeLog(path):
        for number in range(2_000):
            log(Event.SYNCED, frames=number)
    assert sorted(file.name for file in path.parent.iterdir()) == ["node.log", "node.log.1"]
    assert all(file.stat().st_size <= 10_000 for file in path.parent.iterdir())
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in path.parent.iterdir())
    assert lines(path)[-1]["frames"] == 1_999


def test_closing_gives_everything_back(path):
    def state():
        loggers = [logging.getLogger(name) for name in ("", "tertulia", *redaction.LIBRARIES)]
        return (
            [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers],
            logging.lastResort, sys.excepthook, sys.unraisablehook, sys.stderr,
        )  # fmt: skip

    before = state()
    node_log = NodeLog(path, seal_stderr=True)
    assert state() != before
    node_log.close()
    node_log.close()
    assert state() == before


def test_a_root_logger_that_is_set_up_is_left_alone(path):
    root = logging.getLogger()
    before = root.handlers[:]
    assert before, "pytest sets up the root logger"
    with NodeLog(path):
        assert root.handlers == before


def test_a_link_planted_as_the_log_is_not_followed(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreFailed):
        NodeLog(path)
    assert not (tmp_path / "elsewhere").exists()


PROCESS = """
import logging, os, resource, sys, threading, warnings
from pathlib import Path
from tertulia.node.redaction import Event, NodeLog, log
secret = sys.argv[2]
node_log = NodeLog(Path(sys.argv[1]), seal_stderr=True)
"""
WAYS_OUT = {
    "uncaught error": "raise ValueError(secret)",
    "error in a thread": "t = threading.Thread(target=lambda: int(secret)); t.start(); t.join()",
    "error in a finaliser": "class Bad:\n    def __del__(self): raise ValueError(secret)\nbad = Bad()\ndel bad",
    "warning": "warnings.simplefilter('always')\nwarnings.warn(secret)",
    "the root logger": "logging.warning(secret)",
    "an unknown library": "logging.getLogger('other.library').error(secret)",
    "print to stderr": "print(secret, file=sys.stderr)",
    "a broken record": "logging.getLogger('libp2p').warning('%d', secret)",
    "a full disk": "resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))\nlogging.getLogger('libp2p').error(secret)",
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_way_out_tells_a_secret(path, way):
    """V1: with stderr going into the log's own file, as it does for a node started by a client."""
    with path.open("ab") as file:
        command = [sys.executable, "-c", PROCESS + WAYS_OUT[way], path, SECRETS["text"]]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=file)
    assert done.stdout == b""
    assert hits(path) == []
    if way != "a full disk":
        assert len(lines(path)) == 1


def test_the_same_search_finds_what_leaks_without_the_guard(path):
    """The control: without NodeLog, the same ways out do tell."""
    leaks = []
    for way, code in WAYS_OUT.items():
        unguarded = PROCESS.replace("node_log = ", "# ") + code
        command = [sys.executable, "-c", unguarded, path, SECRETS["text"]]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if SECRETS["text"] in done.stderr:
            leaks.append(way)
    assert leaks == list(WAYS_OUT)


def test_libp2p_itself_is_caught_after_its_import(path, tmp_path):
    code = (
        "import libp2p\n"
        "logging.getLogger('libp2p.pubsub').error(secret)\n"
        "from libp2p.network.connection import swarm_connection\n"
        "swarm_connection.logging.warning(secret)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIBP2P")}
    command = [sys.executable, "-W", "ignore", "-c", PROCESS + code, path, SECRETS["peer"]]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.stderr == ""
    assert hits(path) == []
    assert [line["event"] for line in lines(path)].count("library") == 2
