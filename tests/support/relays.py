"""Relays for tests: a real process in a folder of its own, and a small citizen that speaks hello and feed to it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from carriers import frame, now_minute

from tertulia.bootstrap.relay.__main__ import main
from tertulia.bootstrap.relay.place import Place
from tertulia.node.clock import wall_clock
from tertulia.node.hello import open_hello
from tertulia.node.substrate import Host, HostConfig, PeerId, Stream, open_host
from tertulia.protocol import feed_messages as messages
from tertulia.protocol.commons import HELLO_PROTOCOL, Commons
from tertulia.protocol.feed_messages import (
    FEED_PROTOCOL,
    LIMIT_CREDIT,
    LIMIT_TELL,
    Batch,
    Credit,
    Fate,
    Put,
    Subscribe,
    Taken,
    Tell,
)
from tertulia.protocol.frame import Frame
from tertulia.protocol.ticket import encode_ticket

__all__ = ["Citizen", "RelayProcess", "citizen", "frame", "now_minute", "relay", "ticket"]

SECONDS = 60.0
BELOW_LENT = 10_000, 32_000
"""Ports below those that Linux gives to whoever dials (ip_local_port_range)."""
COMMAND = (sys.executable, "-P", "-m", "tertulia.bootstrap.relay")


def ticket(commons: Commons) -> str:
    return encode_ticket(commons)


def free_port() -> int:
    """A port that is free now and lent to nobody who dials: a relay that was killed finds it again."""
    chance = random.SystemRandom()
    while True:
        with socket.socket() as trying, contextlib.suppress(OSError):
            trying.bind(("127.0.0.1", chance.randrange(*BELOW_LENT)))
            return trying.getsockname()[1]


class RelayProcess:
    """A relay in `folder`, driven as its operator drives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def init(self, *options: str) -> None:
        done = self.verb("init", "--yes", "--announce", "127.0.0.1", *options)
        assert done["folder"] == str(self.folder)
        self.verb("quota", "address.first_port", str(self.port), "address.listen", "127.0.0.1")

    def verb(self, *arguments: str, code: int = 0) -> dict:
        """Run a verb with --json; its object. In this process, unless the verb changes the process it runs in."""
        words = [*arguments, "--folder", str(self.folder), "--json"]
        if arguments[0] not in {"run", "doctor"}:
            with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()):
                found = main(words)
            assert found == code, said.getvalue()
            return json.loads(said.getvalue())
        done = subprocess.run(
            [*COMMAND, *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == code, (done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr
        return json.loads(done.stdout)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "run", "--folder", str(self.folder), "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    async def answers(self) -> dict:
        """Its status, as soon as it gives one."""
        with trio.fail_after(SECONDS):
            while True:
                assert self.process is not None
                assert self.process.poll() is None, self.process.communicate()
                # Asked only once its socket stands, and in a thread: the citizens of this process go on meanwhile.
                if Place.at(self.folder).profile.socket_file.exists():
                    with contextlib.suppress(AssertionError):
                        return await trio.to_thread.run_sync(self.verb, "status")
                await trio.sleep(0.05)

    def end(self, how: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.communicate(timeout=SECONDS)
        return self.process.returncode

    @property
    def memory(self) -> int:
        """Bytes of RAM it holds."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def relay(folder: Path, *served: Commons, settings: tuple[str, ...] = ()) -> AsyncIterator[RelayProcess]:
    """A relay that runs and serves these communities."""
    one = RelayProcess(folder)
    one.init()
    if settings:
        one.verb("quota", *settings)
    one.start()
    try:
        await one.answers()
        for commons in served:
            one.verb("allow", ticket(commons))
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


class Citizen:
    """Somebody connected to a relay, through the hello."""

    def __init__(self, host: Host, peer: PeerId, commons: Commons) -> None:
        self.host, self.peer, self.commons = host, peer, commons
        self.cursor = b""
        self.got: list[bytes] = []
        self.renews = True
        """Gives new credit for what came."""
        self._feed: Stream | None = None

    @property
    def feed(self) -> Stream:
        assert self._feed is not None
        return self._feed

    async def subscribe(self, cursor: bytes = b"", credit: int = LIMIT_CREDIT) -> Tell:
        """Open the feed; the relay's answer."""
        self.renews = credit == LIMIT_CREDIT
        self._feed = await self.host.open(self.peer, FEED_PROTOCOL)
        await self.feed.send(messages.write(Subscribe(cursor, credit)))
        return await self.hear()

    async def hear(self) -> Tell:
        told = messages.read_tell(await self.feed.receive(LIMIT_TELL, seconds=SECONDS))
        if isinstance(told, Batch):
            self.cursor = told.cursor
            self.got += told.raws
            if told.raws and self.renews:
                await self.feed.send(messages.write(Credit(messages.cost(told.raws))))
        return told

    async def put(self, *given: Frame) -> tuple[Fate, ...]:
        """Put frames; what became of them. What the feed brings meanwhile is in `got`."""
        await self.feed.send(messages.write(Put(tuple(one.raw for one in given))))
        while True:
            told = await self.hear()
            if isinstance(told, Taken):
                return told.fates

    async def until_got(self, count: int) -> list[bytes]:
        with trio.fail_after(SECONDS):
            while len(self.got) < count:
                await self.hear()
        return self.got


@asynccontextmanager
async def citizen(commons: Commons, address: str) -> AsyncIterator[Citizen]:
    """A dial-only host, connected and known as a member."""
    async with open_host(HostConfig(os.urandom(32))) as host:
        peer = await host.dial([address])
        stream = await host.open(peer, HELLO_PROTOCOL)
        await open_hello(stream, commons, host.peer_id, wall_clock)
        await stream.close()
        host.admit(peer)
        yield Citizen(host, peer, commons)
