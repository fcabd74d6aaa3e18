"""What hostile and careless citizens do to a relay, and what a relay holds that it should not: nothing."""

from __future__ import annotations

import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import trio
from carriers import carrier, commons
from relays import RelayProcess, citizen, frame, free_port, relay

from tertulia.node.substrate import StreamFailed
from tertulia.node.sync import bring_in_step
from tertulia.protocol import feed_messages as messages
from tertulia.protocol import frame as frames
from tertulia.protocol.feed_messages import FEED_PROTOCOL, Accepted, Behind, Credit, Fate, Put, Refused, Subscribe
from tertulia.protocol.frame import FrameClass, FrameKeys
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.sync_messages import SYNC_PROTOCOL, Ending

HERE = commons("Casa")
MIB = 1024 * 1024
SECRET = os.urandom(32)
WORDS = b"the words that nobody but members may read"


def address_of(one: RelayProcess) -> str:
    (found,) = one.verb("status")["communities"]
    return found["address"]


def asked(port: int, page: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10) as answer:
        return answer.read().decode()


def cpu(one: RelayProcess) -> float:
    fields = Path(f"/proc/{one.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_citizen_that_never_reads_costs_a_place_and_no_queue(tmp_path) -> None:
    settings = ("quota.frames_per_minute", "100000000")
    async with relay(tmp_path / "relay", HERE, settings=settings) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana, citizen(HERE, where) as deaf, citizen(HERE, where) as poor:
            await ana.subscribe()
            await deaf.subscribe(credit=4_096)  # all the credit there is, and then it never reads
            await poor.subscribe(credit=16)  # reads, but gave credit for one frame
            await ana.put(frame(HERE, size=FrameClass.LARGE))
            before = one.memory
            for _ in range(12):
                batch = [frame(HERE, size=FrameClass.LARGE) for _ in range(16)]
                assert await ana.put(*batch) == (Fate.KEPT,) * 16
            assert one.memory - before < 32 * MIB
            # Credit returns: it goes on from its place, with what it missed, in order.
            await poor.until_got(1)
            await poor.feed.send(messages.write(Credit(160)))
            await poor.until_got(11)
            assert poor.got == ana.got[:11]


async def test_credit_is_never_overdrawn_nor_hoarded(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana, citizen(HERE, where) as greedy:
            await ana.subscribe(credit=3)
            assert await ana.put(*(frame(HERE) for _ in range(10))) == (Fate.KEPT,) * 10
            await ana.until_got(3)
            await ana.feed.send(messages.write(Credit(1)))
            assert len(await ana.until_got(4)) == 4
            await greedy.subscribe()
            await greedy.feed.send(messages.write(Credit(1)))  # beyond what may be open
            with pytest.raises(StreamFailed):
                await greedy.hear()


@pytest.mark.parametrize(
    "said",
    [
        b"", b"\xff" * 100, messages.write(Subscribe(b"", 1)),
        messages.write(Put((b"x" * 1024,))), messages.write(Put((frame(commons("Other")).raw,))),
    ],
    ids=["nothing", "noise", "a second subscription", "no frame", "a frame of another community"],
)  # fmt: skip
async def test_nonsense_and_what_no_member_made_ends_that_connection_alone(tmp_path, said) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana, citizen(HERE, where) as liar:
            await ana.subscribe()
            await liar.subscribe()
            await liar.feed.send(said)
            with pytest.raises(StreamFailed):
                await liar.hear()
            assert await ana.put(frame(HERE)) == (Fate.KEPT,)


async def test_feeds_cannot_be_hoarded_by_one_address(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE, settings=("quota.feeds_per_address", "3")) as one:
        where = address_of(one)
        async with citizen(HERE, where) as a, citizen(HERE, where) as b, citizen(HERE, where) as c:
            for hoarder in (a, b, c):
                assert isinstance(await hoarder.subscribe(), Accepted)
            async with citizen(HERE, where) as late:
                assert isinstance(await late.subscribe(), Refused)
            # A second feed on one connection is no second feed.
            async def again() -> None:
                second = await a.host.open(a.peer, FEED_PROTOCOL)
                await second.send(messages.write(Subscribe(b"", 1)))
                await second.receive(1_000)

            with pytest.raises(StreamFailed):
                await again()


async def test_a_member_far_over_the_rate_waits_and_the_others_do_not_lose(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE, settings=("quota.frames_per_minute", "60")) as one:
        where = address_of(one)
        async with citizen(HERE, where) as flooder, citizen(HERE, where) as ruth:
            await flooder.subscribe()
            await ruth.subscribe()
            # Ten times its quota of a minute, 16 at a time: after a minute's worth it is served a frame a second.
            batches = [[frame(HERE) for _ in range(16)] for _ in range(38)]
            before, began = cpu(one), time.monotonic()
            answered = 0
            with trio.move_on_after(5):
                for batch in batches:
                    await flooder.put(*batch)
                    answered += 16
            spent, took = cpu(one) - before, time.monotonic() - began
            assert answered <= 60 + 16 + 16 + took
            assert spent <= 0.05 * took + 0.5  # the half second: sixty frames, judged, kept and told
            assert len(await ruth.until_got(answered)) >= answered


async def test_an_outsider_a_thousand_times(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana:
            await ana.subscribe()
            forged = bytearray(frame(HERE).raw)
            forged[40] ^= 1
            before = cpu(one)
            refused = 0
            for number in range(1_000 // 16):
                try:
                    async with citizen(commons("Other"), where):
                        pytest.fail("an outsider got through the hello")
                except Exception:
                    refused += 1
                if number % 10 == 9:
                    async with citizen(HERE, where) as liar:
                        await liar.subscribe()
                        await liar.feed.send(messages.write(Put((bytes(forged),) * 16)))
                        with pytest.raises(StreamFailed):
                            await liar.hear()
            assert refused == 62
            assert cpu(one) - before < 5
            assert one.verb("status")["communities"][0]["frames"] == 0
            assert await ana.put(frame(HERE)) == (Fate.KEPT,)


async def test_an_archive_asked_for_by_everyone_at_once_gives_everyone_all(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana:
            await ana.subscribe()
            for _ in range(20):
                await ana.put(*(frame(HERE) for _ in range(16)))
            before = one.memory
            whole: list[int] = []

            async def fetch(number: int) -> None:
                async with carrier(tmp_path / f"c{number}", HERE) as own, citizen(HERE, where) as ruth:
                    while True:
                        try:
                            stream = await ruth.host.open(ruth.peer, SYNC_PROTOCOL)
                            if await bring_in_step(stream, own) is Ending.DONE:
                                break
                        except StreamFailed:  # too many at once from this address: later
                            await trio.sleep(0.2)
                    whole.append(len(own.holdings))

            with trio.fail_after(90):
                async with trio.open_nursery() as nursery:
                    for number in range(10):
                        nursery.start_soon(fetch, number)
            assert whole == [320] * 10
            assert one.memory - before < 64 * MIB


async def test_disk_memory_log_and_metrics_tell_nothing(tmp_path) -> None:
    port = free_port()
    async with relay(tmp_path / "relay", HERE, settings=("metrics.port", str(port))) as one:
        where = address_of(one)
        keys = FrameKeys(SECRET, os.urandom(32))
        minute = frames.publication_minute(int(time.time() * 1_000))
        sealed = frames.seal(
            HERE.key, keys, FrameClass.SMALL, minute, os.urandom(24), [Item(ItemType.RECEIPT, WORDS)]
        )  # fmt: skip
        async with citizen(HERE, where) as ana:
            await ana.subscribe()
            assert await ana.put(sealed) == (Fate.KEPT,)
            told = asked(port, "metrics")
            with pytest.raises(urllib.error.HTTPError):
                asked(port, "debug")
            peers = (ana.host.peer_id, where.rpartition("/p2p/")[2])
            memory = memory_of(one)
        assert "tertulia_relay_puts_kept_total 1" in told
        assert "tertulia_relay_feeds 1" in told
        # Counters and gauges without labels: a name and a number on each line, and no line is about anybody.
        for line in told.splitlines():
            assert line.startswith("# ") or re.fullmatch(r"tertulia_relay_[a-z_]+ [0-9.e+]+", line), line
        for secret in (*peers, "127.0.0.1", HERE.id.hex(), HERE.key.hex(), HERE.name, where.split("/")[4]):
            assert secret not in told
        on_disk = b"".join(path.read_bytes() for path in one.folder.rglob("*") if path.is_file())
        for name, secret in {
            "words": WORDS, "tag": sealed.tag, "commons key": HERE.key, "frame key": SECRET,
            "peer": peers[0].encode(), "the address": b"127.0.0.1/tcp",
        }.items():  # fmt: skip
            assert secret not in on_disk, name
        for secret in (WORDS, SECRET):
            assert secret not in memory
        log = (one.folder / "node.log").read_text()
        for secret in (*peers, "127.0.0.1", HERE.name, HERE.id.hex()):
            assert secret not in log


def memory_of(one: RelayProcess) -> bytes:
    """All that the relay's memory holds, where the system lets us look: its hardening forbids it to all but root."""
    held = bytearray()
    try:
        ranges = Path(f"/proc/{one.process.pid}/maps").read_text().splitlines()
        with Path(f"/proc/{one.process.pid}/mem").open("rb", buffering=0) as memory:
            for line in ranges:
                place, rights, *_ = line.split()
                if not rights.startswith("rw"):
                    continue
                start, end = (int(part, 16) for part in place.split("-"))
                memory.seek(start)
                held += memory.read(end - start)
    except OSError as closed:
        pytest.skip(f"this user may not look into the relay's memory: {closed}")
    assert HERE.key in held  # what it must hold is found, so that what it must not hold would be
    return bytes(held)


async def test_a_full_disk_is_said_and_nothing_is_promised(tmp_path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    small = tmp_path / "small"
    small.mkdir()
    mounted = await trio.run_process(
        ["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "none", str(small)], check=False, capture_stderr=True
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        async with relay(small / "relay", HERE) as one:
            where = address_of(one)
            async with citizen(HERE, where) as ana:
                await ana.subscribe()
                fates: set[Fate] = set()
                kept = 0
                with trio.fail_after(60):
                    while Fate.DISK not in fates:
                        told = await ana.put(*(frame(HERE, size=FrameClass.LARGE) for _ in range(16)))
                        kept += told.count(Fate.KEPT)
                        fates |= set(told)
                row = one.verb("status")["communities"][0]
                assert row["frames"] == kept
                assert "no room left" in row["trouble"]
    finally:
        await trio.run_process(["umount", "-l", str(small)], check=False)


async def test_a_place_is_found_again_and_an_invented_one_leads_to_sync(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana, citizen(HERE, where) as ruth:
            await ana.subscribe()
            await ruth.subscribe(credit=1)
            first, second = frame(HERE), frame(HERE)
            await ana.put(first, second)
            assert await ruth.until_got(1) == [first.raw]
        async with citizen(HERE, where) as ruth_again, citizen(HERE, where) as eva:
            known = await ruth_again.subscribe(ruth.cursor)
            assert isinstance(known, Accepted)
            assert known.cursor == ruth.cursor
            assert await ruth_again.until_got(1) == [second.raw]
            invented = await eva.subscribe(ruth.cursor[:8] + b"\xff" * 8)
            assert isinstance(invented, Accepted)
            assert isinstance(await eva.hear(), Behind)
