"""The node as a process: started as clients start it, found by its socket file, ended in every way there is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tertulia.protocol.control import (
    CONTROL_VERSION,
    Call,
    Failure,
    Hello,
    HelloAnswer,
    NodeMessage,
    Result,
    encode_message,
    node_splitter,
)

SECONDS = 40.0
PASSPHRASE = "correct horse"


def start(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    node = [sys.executable, "-P", "-m", "tertulia.bootstrap.node"]
    command = [*node, "--home", str(home), "--profile", "ana", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start(home, *arguments)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Client:
    """A blocking client."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._splitter = node_splitter()
        self._read: list[NodeMessage] = []
        self._send(Hello(CONTROL_VERSION, "test"))
        assert isinstance(self.receive(), HelloAnswer)

    def _send(self, message: Hello | Call) -> None:
        self._connection.sendall(encode_message(message))

    def receive(self) -> NodeMessage | None:
        while not self._read:
            data = self._connection.recv(65_536)
            if not data:
                return None
            self._read += self._splitter.feed(data)
        return self._read.pop(0)

    def call(self, method: str, **params) -> dict:
        self._send(Call(1, method, params))
        answer = self.receive()
        assert isinstance(answer, Result), answer
        return answer.value

    def refused(self, method: str, **params) -> str:
        self._send(Call(1, method, params))
        answer = self.receive()
        assert isinstance(answer, Failure), answer
        return answer.problem.error


@contextmanager
def client(home: Path, process: subprocess.Popen[bytes]) -> Iterator[Client]:
    """Connect as soon as the node says where it listens."""
    deadline = time.monotonic() + SECONDS
    while True:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        try:
            path = (home / "ana" / "node.socket").read_text(encoding="utf-8").strip()
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(SECONDS)
                connection.connect(path)
                yield Client(connection)
                return
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.02)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, words = process.communicate(timeout=SECONDS)
    return process.returncode, words.decode()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_init_talk_quit_restart(home: Path) -> None:
    with running(home) as process:
        with client(home, process) as one:
            one.call("init", nick="Ana", passphrase=PASSPHRASE, kdf_mib=8, kdf_ops=1)
            one.call("commons.new", name="Madrid", listen="/ip4/127.0.0.1/tcp/0")
            talk = one.call("dialogue.new", title="Talk")["dialogue"]
            said = one.call("say", dialogue=talk, text="a word nobody else may read")
        assert ended(process) == (0, "")  # it ended with its last client
    assert not (home / "ana" / "node.socket").exists()
    with running(home) as process:
        with client(home, process) as one:
            assert one.call("status")["state"] == "locked"
            assert "passphrase" in one.refused("unlock", passphrase="wrong")
            one.call("unlock", passphrase=PASSPHRASE)
            (row,) = one.call("read", dialogue=talk)["messages"]
            assert (row["id"], row["text"]) == (said["id"], "a word nobody else may read")
            assert one.call("stop") == {"state": "locked"}
            while one.receive() is not None:
                pass
        assert ended(process) == (0, "")
    folder = home / "ana"
    assert (folder.stat().st_mode & 0o777) == 0o700
    for path in folder.iterdir():
        assert (path.stat().st_mode & 0o777) == 0o600
        assert b"a word nobody else" not in path.read_bytes()
    log = (folder / "node.log").read_text(encoding="ascii")
    assert "crashed" not in log
    assert all(word not in log for word in ("Ana", "Madrid", "127.0.0.1", talk))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(home: Path, number: signal.Signals) -> None:
    with running(home, "--resident") as process:
        with client(home, process) as one:
            path = Path((home / "ana" / "node.socket").read_text(encoding="utf-8").strip())
            one.call("init", nick="Ana", passphrase=PASSPHRASE, kdf_mib=8, kdf_ops=1)
        process.send_signal(number)
        assert ended(process) == (0, "")
    assert not path.exists()
    assert not (home / "ana" / "node.socket").exists()


def test_a_second_node_says_one_sentence_and_leaves_the_first_alone(home: Path) -> None:
    with running(home, "--resident") as first, client(home, first) as one:
        with running(home) as second:
            code, words = ended(second)
        assert code == 1
        assert "already running" in json.loads(words.splitlines()[-1])["error"]
        assert one.call("status")["state"] == "new"


def test_after_kill_the_next_node_takes_over(home: Path) -> None:
    with running(home, "--resident") as process:
        with client(home, process) as one:
            one.call("init", nick="Ana", passphrase=PASSPHRASE, kdf_mib=8, kdf_ops=1)
            one.call("commons.new", name="Madrid", listen="/ip4/127.0.0.1/tcp/0")
            talk = one.call("dialogue.new", title="Talk")["dialogue"]
            for number in range(20):
                one.call("say", dialogue=talk, text=str(number))
            os.kill(process.pid, signal.SIGKILL)
        process.wait(SECONDS)
    assert (home / "ana" / "node.socket").exists()  # a stale socket, and its file
    with running(home, "--resident") as process, client(home, process) as one:
        one.call("unlock", passphrase=PASSPHRASE)
        assert [row["text"] for row in one.call("read", dialogue=talk)["messages"]] == [str(n) for n in range(20)]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: (folder / "config.toml").write_text("[network]\nlissten = []\n"), "network.listen"),
        (lambda folder: folder.chmod(0o755), "look into"),
        (lambda folder: (folder / "archive.key").write_bytes(b"short"), "damaged"),
    ],
    ids=["settings", "permissions", "key"],
)
def test_what_keeps_it_from_starting_is_said(home: Path, make, words: str) -> None:
    folder = home / "ana"
    folder.mkdir(parents=True, mode=0o700)
    make(folder)
    for path in folder.iterdir():
        path.chmod(0o600)
    with running(home) as process:
        code, said = ended(process)
    assert code == 1
    problem = json.loads(said.splitlines()[-1])
    assert words in problem["error"]
    assert problem["safe"]
    assert problem["next"]
