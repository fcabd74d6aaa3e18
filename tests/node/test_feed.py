"""A citizen's side of the feed, against relays that keep the rules and relays that do not, over real hosts."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from carriers import Ear, carrier, commons, frame, held, host, now_minute
from waiting import eventually

from tertulia.node.clock import wall_clock
from tertulia.node.control import relay_says
from tertulia.node.feed import AGAIN_SECONDS
from tertulia.node.hello import take_hello
from tertulia.node.network import Network
from tertulia.node.reach import Relayed
from tertulia.node.substrate import Stream
from tertulia.protocol import feed_messages as messages
from tertulia.protocol.commons import HELLO_PROTOCOL
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.errors import RejectReason
from tertulia.protocol.feed_messages import (
    FEED_PROTOCOL,
    LIMIT_ASK,
    LIMIT_CREDIT,
    Accepted,
    AskCard,
    Batch,
    Behind,
    Draining,
    Fate,
    Put,
    Refusal,
    Refused,
    Subscribe,
    Taken,
    TellCard,
)
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.relay_card import RelayCard, sign_card
from tertulia.protocol.sync_messages import SYNC_PROTOCOL

HERE = commons()
CURSOR = b"c" * 16
SEED = b"r" * 32


class Relay:
    """Speaks the feed as a test tells it to; keeps what is put, and serves no sync."""

    def __init__(self) -> None:
        self.to_tell: list = []
        self.subscribed = 0
        self.put: list[bytes] = []
        self.fates: list[Fate] = []
        self.credit = 0
        self.sessions = trio.Event()
        self.changed = trio.Event()
        self.stream: Stream | None = None
        self.ended = trio.Event()
        self.card = b""
        self.asked = False

    async def feed(self, stream: Stream) -> None:
        try:
            await self._feed(stream)
        finally:
            self.ended.set()

    async def _feed(self, stream: Stream) -> None:
        ask = messages.read_ask(await stream.receive(LIMIT_ASK))
        assert isinstance(ask, Subscribe)
        self.subscribed += 1
        self.credit, self.stream = ask.credit, stream
        for tell in self.to_tell:
            await stream.send(messages.write(tell))
        self._note()
        while True:
            ask = messages.read_ask(await stream.receive(LIMIT_ASK))
            match ask:
                case Put(raws):
                    self.put += raws
                    fates = tuple((self.fates.pop(0) if self.fates else Fate.KEPT) for _ in raws)
                    await stream.send(messages.write(Taken(fates)))
                case AskCard():
                    self.asked = True
                    await stream.send(messages.write(TellCard(self.card)))
                case messages.Credit(kib):
                    self.credit += kib
                case _:
                    raise AssertionError("subscribed twice")
            self._note()

    def _note(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def tell(self, tell) -> None:
        assert self.stream is not None
        await self.stream.send(messages.write(tell))

    async def until(self, holds) -> None:
        with trio.fail_after(20):
            while not holds():
                changed = self.changed
                await changed.wait()

    async def session(self, stream: Stream) -> None:
        self.sessions.set()
        await stream.reset()


@asynccontextmanager
async def relayed(folder, relay: Relay):
    """A relayed citizen connected with this relay: its network, and who hears it."""
    ear = Ear()
    async with host(seed=SEED) as there, carrier(folder, HERE, ear) as one:

        async def hello(stream: Stream) -> None:
            await take_hello(stream, HERE, there.peer_id, wall_clock)
            there.admit(stream.peer)

        there.serve(HELLO_PROTOCOL, hello, before_hello=True)
        there.serve(FEED_PROTOCOL, relay.feed)
        there.serve(SYNC_PROTOCOL, relay.session)
        net = Network(one, (), None, (), ear)
        net.go(Relayed({there.peer_id: there.addresses}, {}, {there.peer_id: "Lisboa"}))
        async with trio.open_nursery() as nursery:
            await nursery.start(net.run, wall_clock)
            yield net, ear
            nursery.cancel_scope.cancel()


def accepted(clock: int | None = None) -> Accepted:
    return Accepted(CURSOR, wall_clock() if clock is None else clock, b"")


async def test_what_is_fed_is_kept_and_what_is_published_is_put(tmp_path) -> None:
    relay = Relay()
    mine, late, theirs = frame(HERE), frame(HERE), frame(HERE)
    old = frame(HERE, now_minute() - 3 * 60)
    relay.to_tell = [accepted(), Batch(CURSOR, (theirs.raw, old.raw)), Batch(CURSOR, ())]
    relay.fates = [Fate.KEPT, Fate.GONE]
    async with relayed(tmp_path / "a", relay) as (net, ear):
        await ear.until(lambda: ear.arrivals == 1)
        assert await held(net.carrier) == {theirs.id}  # what is too old by the feed is left to sync
        assert net.carrier.counts["feed window"] == 1
        await net.carrier.publish([mine])
        await net.carrier.publish([late])
        await relay.until(lambda: set(relay.put) == {mine.raw, late.raw})
        await ear.until(lambda: [kept.frame for kept in ear.keeps] in ([mine.id], [late.id]))
        assert len(ear.keeps) == 1  # what is gone with it is not with it
        assert net.addresses == ()


async def test_credit_is_given_as_frames_reach_the_disk(tmp_path) -> None:
    relay = Relay()
    relay.to_tell = [accepted()]
    large = [frame(HERE, size=FrameClass.LARGE) for _ in range(LIMIT_CREDIT // 16 + 8)]
    async with relayed(tmp_path / "a", relay) as (net, _ear):
        await relay.until(lambda: relay.subscribed == 1)
        for one in large:
            await relay.until(lambda: relay.credit >= 16)
            relay.credit -= 16
            await relay.tell(Batch(CURSOR, (one.raw,)))
        await eventually(lambda: len(net.carrier.holdings) >= len(large), 30)


@pytest.mark.parametrize(
    ("lie", "count"),
    [
        (Batch(CURSOR, (b"x" * 1_024,)), "feed left version"),
        (Batch(CURSOR, (b"",)), "feed left length"),
        (Batch(CURSOR, (frame(commons("Other")).raw,)), "feed left mac"),
        (Taken((Fate.KEPT,)), "feed left shape"),
        (Accepted(CURSOR, 0, b""), "feed left shape"),
    ],
    ids=["no frame", "nothing", "another commons", "nothing put", "twice"],
)
async def test_a_relay_that_lies_is_left(tmp_path, lie, count) -> None:
    relay = Relay()
    relay.to_tell = [accepted(), lie]
    async with relayed(tmp_path / "a", relay) as (net, _ear):
        with trio.fail_after(20):
            await relay.ended.wait()
        await eventually(lambda: net.carrier.counts[count])
        assert len(net.carrier.holdings) == 0


async def test_a_laggard_goes_to_sync_at_once(tmp_path) -> None:
    relay = Relay()
    relay.to_tell = [accepted()]
    async with relayed(tmp_path / "a", relay):
        with trio.fail_after(20):
            await relay.sessions.wait()
            relay.sessions = trio.Event()
            await relay.until(lambda: relay.subscribed >= 1)
            await relay.tell(Behind(b"d" * 16))
            await relay.sessions.wait()


async def test_a_refusal_a_drain_and_a_wrong_clock_are_remembered(tmp_path) -> None:
    relay = Relay()
    relay.to_tell = [Refused(Refusal.FULL, wall_clock() + 60_000)]
    async with relayed(tmp_path / "a", relay) as (net, ear):
        await ear.until(lambda: any((feed := net.feed(peer)) and feed.refused for peer in net.neighbours))
        (peer,) = net.neighbours
        feed = net.feed(peer)
        assert feed.refused.reason is Refusal.FULL
        assert not feed.standing
    other = Relay()
    other.to_tell = [accepted(wall_clock() - 20 * 60_000), Draining(wall_clock() + 1_000)]
    async with relayed(tmp_path / "b", other) as (net, ear):
        await ear.until(lambda: any((feed := net.feed(peer)) and feed.draining for peer in net.neighbours))
        (peer,) = net.neighbours
        said = net.carrier.watch.problem(peer, {peer: "Lisboa"}, trio.current_time())
        assert said.startswith("The clock of Lisboa is")
        assert said.endswith("minutes behind this machine's.")


def signed(seed: bytes, *, keeps: int = 14, since: int | None = None) -> bytes:
    """A relay's card under this host key."""
    minute = now_minute() if since is None else since
    words = "Ana\x1b[31m Costa\u202e", "Portugal", "ana@example.org", "Be kind.\nReally."
    return sign_card(
        RelayCard(signing_public(seed), *words, keeps, 20 * 10**9, 400, 2**26, 3_600, minute, minute + 60), seed
    )


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (signed(SEED), None),
        (signed(b"o" * 32), RejectReason.ID),
        (signed(SEED)[:-1] + b"\x00", RejectReason.PROOF),
        (signed(SEED, since=now_minute() - 300), RejectReason.EXPIRED),
        (b"\xff" * 40, RejectReason.ENCODING),
        (b"", None),
    ],
    ids=["its own", "another's", "forged", "of yesterday", "noise", "none"],
)
async def test_a_relay_s_card_is_shown_when_it_signed_it_and_it_is_fed_by_in_any_case(tmp_path, card, reason) -> None:
    relay = Relay()
    relay.to_tell, relay.card = [accepted()], card
    theirs = frame(HERE)
    async with relayed(tmp_path, relay) as (net, ear):
        await relay.until(lambda: relay.asked)
        await relay.tell(Batch(CURSOR, (theirs.raw,)))
        await ear.until(lambda: ear.arrivals == 1)
        (peer,) = net.neighbours
        feed = net.feed(peer)
        assert feed.standing
        assert feed.card_refused is reason
        said, words = relay_says.says(feed, now_minute()), relay_says.words(feed, now_minute())
        if reason is None and card:
            assert (said["country"], said["retention_days"], said["terms"]) == ("Portugal", 14, "Be kind. Really.")
            assert "\x1b" not in words + str(said["operator"])
            assert words.endswith(
                "in Portugal; keeps messages for 14 days at most, up to 20 GB; contact ana@example.org; "
                "terms: “Be kind. Really”."
            )
            assert relay_says.says(feed, now_minute() + 100) == {}
            assert "out of date" in relay_says.words(feed, now_minute() + 100)
        else:
            assert said == {}
            told = {None: "", RejectReason.EXPIRED: relay_says.OUT_OF_DATE}
            assert words == told.get(reason, relay_says.NOT_ITS_OWN)


async def test_a_feed_that_broke_off_is_asked_for_again_on_the_same_connection(tmp_path) -> None:
    relay = Relay()
    relay.to_tell = [accepted()]

    def fed() -> bool:
        return any((feed := net.feed(peer)) is not None and feed.standing for peer in net.neighbours)

    async with relayed(tmp_path, relay) as (net, ear):
        await ear.until(fed)
        with trio.fail_after(AGAIN_SECONDS):
            for times in (2, 3):
                assert relay.stream is not None
                await relay.stream.reset()
                await relay.until(lambda times=times: relay.subscribed == times)
        await ear.until(fed)


async def test_what_another_peer_names_is_not_dialled(tmp_path) -> None:
    """A relayed node keeps to its relays, whatever the commons' seed and the settings say."""
    relay = Relay()
    relay.to_tell = [accepted()]
    async with host(seed=bytes(32)) as elsewhere:
        port = int(elsewhere.addresses[0].split("/")[4])
        tempting = commons(seed=bytes(32), port=port)
        assert tempting.id == HERE.id
        async with relayed(tmp_path / "a", relay) as (net, _ear):
            net.carrier.commons = tempting
            await relay.until(lambda: relay.subscribed == 1)
            assert elsewhere.peers == frozenset()
            assert len(net.neighbours) == 1
