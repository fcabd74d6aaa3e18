"""Somebody on the line between two citizens: what they can read of it, and what they cannot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from citizens import Config, admitted, init, invited, join, messages, open_citizen, sees, sent

from tertulia.node.citizen import Citizen
from tertulia.node.network import Network
from tertulia.protocol.commons import HELLO_PROTOCOL, topic
from tertulia.protocol.ids import DialogueId

NICKS = "Ruth Ben-Haddou", "Omar of the mill"
COMMUNITY, TITLE = "Reading circle of the north", "Water in the valley"
WORDS = "Meet at the old mill at nine.", "I bring the maps, tell nobody else."


def network_of(citizen: Citizen) -> Network:
    (carried,) = citizen.service.carrying
    return carried.network


class Line:
    """A wire with somebody on it, who notes every byte in both directions."""

    def __init__(self) -> None:
        self.port = 0
        self.behind = 0
        self.noted = {"up": bytearray(), "down": bytearray()}

    async def _carry(self, near: trio.SocketStream) -> None:
        async with near, await trio.open_tcp_stream("127.0.0.1", self.behind) as far, trio.open_nursery() as both:
            both.start_soon(self._note, near, far, "up")
            both.start_soon(self._note, far, near, "down")

    async def _note(self, source: trio.SocketStream, sink: trio.SocketStream, way: str) -> None:
        try:
            async for data in source:
                self.noted[way] += data
                await sink.send_all(data)
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.port = listener.socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, self._carry, [listener])
            yield
            nursery.cancel_scope.cancel()


async def test_who_watches_the_line_sees_libp2p_and_noise_and_nothing_that_was_said(tmp_path: Path) -> None:
    line = Line()
    async with (
        line.open(),
        open_citizen(tmp_path / "ruth", Config()) as ruth,
        open_citizen(tmp_path / "omar", Config()) as omar,
    ):
        await init(ruth, NICKS[0])
        announced = [f"/ip4/127.0.0.1/tcp/{line.port}"]
        await ruth.call(
            "commons.new", {"name": COMMUNITY, "listen": "/ip4/127.0.0.1/tcp/0", "announce": announced}
        )
        await ruth.service.carrying.ready()
        line.behind = int(network_of(ruth).addresses[0].split("/")[4])
        talk = str((await ruth.call("dialogue.new", {"title": TITLE}))["dialogue"])
        invite = await invited(ruth, talk)
        await admitted(omar, await join(omar, NICKS[1], invite))
        await ruth.call("say", {"dialogue": talk, "text": WORDS[0]})
        await omar.call("say", {"dialogue": talk, "text": WORDS[1]})
        for citizen in (ruth, omar):
            await sees(citizen, talk, *WORDS)
            await sent(citizen)
        (omar_id,), (ruth_id,) = network_of(ruth).neighbours, network_of(omar).neighbours
        commons = ruth.service.carrying.served[0].commons
        dialogue = ruth.service.core.dialogues[DialogueId(bytes.fromhex(talk))]
        assert messages(omar, talk)
        secrets = [
            *NICKS, COMMUNITY, TITLE, *WORDS, invite, talk, bytes.fromhex(talk), commons.key, commons.id,
            topic(commons), bytes.fromhex(topic(commons)), HELLO_PROTOCOL, "/meshsub/", "/tertulia/",
            ruth_id, omar_id, commons.peer, *dialogue.state.roster,
        ]  # fmt: skip
    noted = [bytes(way) for way in line.noted.values()]
    for secret in secrets:
        searched = secret.encode() if isinstance(secret, str) else bytes(secret)
        assert searched
        assert not any(searched in way for way in noted), secret
    # What the threat model says that they can see; it shows besides that the line was the one the talk went over.
    for seen in (b"/multistream/1.0.0", b"/noise"):
        assert all(seen in way for way in noted), seen
    assert sum(map(len, noted)) > 20_000
