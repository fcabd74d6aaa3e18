"""A relay as its operator runs it: a real process, real citizens on loopback, every verb on the relay that runs."""

from __future__ import annotations

import signal

from carriers import commons
from relays import RelayProcess, citizen, frame, relay, ticket

from tertulia.protocol.feed_messages import Accepted, Behind, Draining, Fate, Refusal, Refused

HERE = commons("Casa")


def address_of(one: RelayProcess) -> str:
    (found,) = one.verb("status")["communities"]
    return found["address"]


async def test_what_one_citizen_puts_the_others_are_told(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana, citizen(HERE, where) as ruth:
            assert isinstance(await ana.subscribe(), Accepted)
            assert isinstance(await ruth.subscribe(), Accepted)
            sent = [frame(HERE) for _ in range(40)]
            for start in range(0, 40, 10):
                assert await ana.put(*sent[start : start + 10]) == (Fate.KEPT,) * 10
            assert sorted(await ruth.until_got(40)) == sorted(each.raw for each in sent)
        told = one.verb("status")
        assert told["communities"][0]["frames"] == 40


async def test_it_is_killed_and_comes_back_as_the_same_without_a_passphrase(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where, sent = address_of(one), frame(HERE)
        async with citizen(HERE, where) as ana:
            await ana.subscribe()
            assert await ana.put(sent) == (Fate.KEPT,)
            before = ana.cursor or b"x" * 16
        assert one.end(signal.SIGKILL) == -signal.SIGKILL
        moved = tmp_path / "elsewhere"
        one.folder.rename(moved)
        one.folder = moved
        one.start()
        await one.answers()
        assert address_of(one) == where
        assert one.verb("status")["communities"][0]["frames"] in {0, 1}  # counted when the archive has been read
        async with citizen(HERE, where) as ruth:
            # A place of the run before leads nowhere: she is sent to sync, and the feed goes on from here.
            accepted = await ruth.subscribe(before)
            assert isinstance(accepted, Accepted)
            assert isinstance(await ruth.hear(), Behind)
            assert await ruth.put(sent) == (Fate.KEPT,)
            assert one.verb("status")["communities"][0]["frames"] == 1
        assert one.end() == 0


async def test_a_drain_says_when_takes_nobody_new_and_can_be_taken_back(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana, citizen(HERE, where) as ruth:
            await ana.subscribe()
            until = one.verb("drain", "--for", "2h")["draining"]
            assert await ana.hear() == Draining(until)
            assert await ana.put(frame(HERE)) == (Fate.KEPT,)
            assert await ruth.subscribe() == Refused(Refusal.DRAINING, until)
            one.verb("drain", "--off")
            assert isinstance(await ruth.subscribe(), Accepted)
            one.verb("drain", "--for", "1s")
            while not isinstance(await ruth.hear(), Refused):
                pass


async def test_a_second_community_has_a_port_and_a_key_of_its_own(tmp_path) -> None:
    other = commons("Otra")
    async with relay(tmp_path / "relay", HERE) as one:
        told = one.verb("allow", ticket(other))
        first, second = one.verb("status")["communities"]
        assert first["address"].split("/p2p/")[1] != second["address"].split("/p2p/")[1]
        assert told["address"] == second["address"]
        async with citizen(other, second["address"]) as ana:
            assert isinstance(await ana.subscribe(), Accepted)
        one.verb("forget", "Otra")
        assert [each["name"] for each in one.verb("status")["communities"]] == ["Casa"]
        assert "no community of that name" in one.verb("forget", "Otra", code=1)["error"]
