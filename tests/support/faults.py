"""Real nodes as processes, told what to do through their control sockets, and the faults done to them.

R1 and R3 to R5 of GOALS.md. A node here is `python -m tertulia.bootstrap.node`; nothing inside it is touched. Links go
through proxies that delay and cut. Every size has a small value for every day and a full one, by a named knob.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from tertulia.protocol.control import (
    CONTROL_VERSION,
    Call,
    Delta,
    Failure,
    Hello,
    HelloAnswer,
    NodeMessage,
    Result,
    Row,
    Snapshot,
    Watch,
    encode_message,
    node_splitter,
)
from tertulia.protocol.errors import Problem

PASSPHRASE = "correct horse"
KDF = {"kdf_mib": 8, "kdf_ops": 1}
LOOPBACK = "/ip4/127.0.0.1/tcp/0"
PATIENCE = 60.0
LOOK_SECONDS = 0.02
"""How often something that tells nobody of its change (a file, a process) is looked at."""


def knob(name: str, ordinary: int) -> int:
    """A size: `ordinary`, or what the environment says; `make faults` says the full ones."""
    return int(os.environ.get(name, "") or ordinary)


class Gone(Exception):
    """The node's end of the socket is closed."""


class Refused(Exception):
    """The node answered a call with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.error)
        self.problem = problem


class Client:
    """One connection to a node; one call at a time."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._splitter = node_splitter()
        self._read: list[NodeMessage] = []

    async def _send(self, message: Hello | Call | Watch) -> None:
        try:
            await self._stream.send_all(encode_message(message))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Gone from error

    async def receive(self) -> NodeMessage:
        while not self._read:
            try:
                data = await self._stream.receive_some(65_536)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise Gone from error
            if not data:
                raise Gone
            self._read += self._splitter.feed(data)
        return self._read.pop(0)

    def close(self) -> None:
        self._stream.socket.close()

    async def greet(self) -> None:
        await self._send(Hello(CONTROL_VERSION, "test"))
        assert isinstance(await self.receive(), HelloAnswer)

    async def call(self, method: str, **params) -> dict[str, Any]:
        """Raises Refused, or Gone when the node went before it answered."""
        await self._send(Call(1, method, params))
        answer = await self.receive()
        if isinstance(answer, Failure):
            raise Refused(answer.problem)
        assert isinstance(answer, Result), answer
        return dict(answer.value)

    async def watch(self, view: str, **params) -> None:
        """From now on this connection is for `changed` alone."""
        await self._send(Watch(1, view, params))

    async def changed(self) -> tuple[Row, ...]:
        """The rows of the watched view, at first; then those that are new or have changed. Raises Gone."""
        while True:
            match await self.receive():
                case Snapshot(rows=rows) | Delta(upserts=rows):
                    return rows
                case _:
                    pass


@dataclass
class Node:
    """One citizen's node: a profile, and the process that has it now."""

    home: Path
    name: str
    program: tuple[str, ...] = ("-P", "-m", "tertulia.bootstrap.node")
    within: tuple[str, ...] = ()
    """Words before its command: where it runs."""
    process: subprocess.Popen[bytes] | None = None
    client: Client | None = None
    clients: list[Client] = field(default_factory=list)
    ready: bool = False
    """Unlocked, and a message of it has been read."""
    restarts: list[tuple[float, float]] = field(default_factory=list)
    """Seconds from starting the process to the first message read, and seconds of CPU in them, of each restart."""

    @property
    def folder(self) -> Path:
        return self.home / self.name

    def start(self) -> None:
        assert self.process is None
        command = [*self.within, sys.executable, *self.program, "--home", str(self.home)]
        with (self.home / f"{self.name}.stderr").open("ab") as words:
            self.process = subprocess.Popen(
                [*command, "--profile", self.name, "--resident"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
            )

    async def connect(self) -> Client:
        """One more client, as soon as the node takes one."""
        with trio.fail_after(PATIENCE):
            while True:
                assert self.process is not None
                assert self.process.poll() is None, (self.home / f"{self.name}.stderr").read_text()
                try:
                    path = (self.folder / "node.socket").read_text(encoding="utf-8").strip()
                    client = Client(await trio.open_unix_socket(path))
                    self.clients.append(client)
                except (FileNotFoundError, ConnectionRefusedError):
                    await trio.sleep(LOOK_SECONDS)
                    continue
                await client.greet()
                return client

    async def open(self) -> Client:
        """Start, and keep one client."""
        self.start()
        self.client = await self.connect()
        return self.client

    async def init(self) -> Client:
        client = await self.open()
        await client.call("init", nick=self.name, passphrase=PASSPHRASE, **KDF)
        self.ready = True
        return client

    async def reopen(self, dialogue: str) -> Client:
        """Start again, unlock, read; how long that took is noted."""
        began = trio.current_time()
        client = await self.open()
        await client.call("unlock", passphrase=PASSPHRASE)
        await client.call("read", dialogue=dialogue, last=1)
        self.restarts.append((trio.current_time() - began, self.cpu_seconds()))
        self.ready = True
        return client

    def cpu_seconds(self) -> float:
        """What the running process has cost so far."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def kill(self) -> None:
        """`kill -9`, and gone."""
        process, self.process, self.client, self.ready = self.process, None, None, False
        if process is not None:
            process.send_signal(signal.SIGKILL)
            await trio.to_thread.run_sync(process.wait)

    def stop_now(self) -> None:
        """When the test is over, however it went."""
        for client in self.clients:
            client.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def crashes(self) -> list[str]:
        """Lines of its log that tell of a mistake of ours."""
        logs = [path for path in self.folder.glob("node.log*") if path.is_file()]
        return [line for path in logs for line in path.read_text(encoding="ascii").splitlines() if "crashed" in line]


@asynccontextmanager
async def nodes(home: Path, *names: str) -> AsyncIterator[list[Node]]:
    """New citizens, each set up in a process of its own; no process outlives the block."""
    await trio.Path(home).mkdir(mode=0o700, exist_ok=True)
    async with AsyncExitStack() as stack:
        found = [Node(home, name) for name in names]
        for node in found:
            stack.callback(node.stop_now)
        async with trio.open_nursery() as nursery:
            for node in found:
                nursery.start_soon(node.init)
        yield found


async def gather(founder: Node, *guests: Node) -> str:
    """Found a community and a dialogue, and seat everybody; returns the dialogue's id."""
    assert founder.client is not None
    await founder.client.call("commons.new", name="Madrid", listen=LOOPBACK)
    dialogue = str((await founder.client.call("dialogue.new", title="Talk"))["dialogue"])
    invite = str((await founder.client.call("invite", dialogue=dialogue, uses=max(1, len(guests))))["invite"])

    async def seat(guest: Node) -> None:
        assert guest.client is not None
        joining = (await guest.client.call("join", invite=invite))["join"]
        answer = await guest.client.call("wait", **{"for": "join"}, join=joining, seconds=int(PATIENCE))
        assert answer["state"] == "admitted", answer

    async with trio.open_nursery() as nursery:
        for guest in guests:
            nursery.start_soon(seat, guest)
    return dialogue


async def texts(node: Node, dialogue: str, last: int | None = None) -> list[str]:
    """What a person reads there now."""
    assert node.client is not None
    more = {} if last is None else {"last": last}
    return [str(row["text"]) for row in (await node.client.call("read", dialogue=dialogue, **more))["messages"]]


async def until_read(node: Node, dialogue: str, wanted: set[str], seconds: float = PATIENCE) -> None:
    """Wait until a node shows at least these texts."""
    watching, reading = await node.connect(), await node.connect()
    missing = set(wanted)
    with trio.move_on_after(seconds):
        await watching.watch("messages", dialogue=dialogue, last=2_000)
        while missing:
            with trio.move_on_after(1):  # what arrives late may stand before all that is watched
                await watching.changed()
            rows = (await reading.call("read", dialogue=dialogue))["messages"]
            missing.difference_update([str(row["text"]) for row in rows])
    watching.close()
    reading.close()
    assert not missing, f"{node.name} lacks {len(missing)} of {len(wanted)}: {sorted(missing)[:5]}"


@dataclass
class Speaker:
    """Says numbered texts at one node, one after the other; knows which of them the node has answered."""

    node: Node
    dialogue: str
    acknowledged: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    """Said, and not answered: perhaps not yet, perhaps never."""
    refused: list[Problem] = field(default_factory=list)
    said: int = 0
    _more: trio.Event = field(default_factory=trio.Event)

    async def say(self, client: Client) -> bool:
        """Say one more text. Raises Gone; False when it was refused."""
        text = f"{self.node.name} {self.said}"
        self.said += 1
        self.uncertain.append(text)
        try:
            await client.call("say", dialogue=self.dialogue, text=text)
        except Refused as refused:
            self.uncertain.remove(text)
            self.refused.append(refused.problem)
            return False
        self.uncertain.remove(text)
        self.acknowledged.append(text)
        self._more.set()
        self._more = trio.Event()
        return True

    async def talk(self, pause: Callable[[], float]) -> None:
        """Say one text after the other until the node is gone; `pause` says how many seconds lie between two."""
        client = await self.node.connect()
        try:
            while True:
                await self.say(client)
                await trio.sleep(pause())
        except Gone:
            return

    async def more(self, number: int) -> None:
        """Wait until so many more texts have been acknowledged."""
        goal = len(self.acknowledged) + number
        with trio.fail_after(PATIENCE):
            while len(self.acknowledged) < goal:
                await self._more.wait()
