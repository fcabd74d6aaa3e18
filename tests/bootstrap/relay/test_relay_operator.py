"""What an operator does to a relay that runs: ban, quota, card, settings; what it says when it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess

import pytest
import trio
from carriers import commons
from relays import COMMAND, Citizen, RelayProcess, citizen, frame, relay, ticket
from waiting import eventually

from tertulia.node.clock import wall_clock
from tertulia.node.substrate import DialFailed, Stream, StreamFailed, peer_id_bytes
from tertulia.protocol import feed_messages as messages
from tertulia.protocol.feed_messages import LIMIT_TELL, Accepted, AskCard, Fate, Refusal, Refused, TellCard
from tertulia.protocol.relay_card import card_hash, read_card

HERE = commons("Casa")
LONG_AGO = """
import tertulia.node.clock
tertulia.node.clock.wall_clock.__code__ = (lambda: 10**12).__code__
from tertulia.bootstrap.relay.__main__ import main
raise SystemExit(main())
"""


def address_of(one: RelayProcess) -> str:
    (found,) = one.verb("status")["communities"]
    return found["address"]


async def enters(where: str) -> bool:
    """Whether somebody new gets through the hello and onto the feed."""
    try:
        async with citizen(HERE, where) as ana:
            return isinstance(await ana.subscribe(), Accepted)
    except (DialFailed, StreamFailed):
        return False


async def gone(one: Citizen) -> None:
    await eventually(lambda: not one.host.peers)


async def test_a_ban_puts_out_and_keeps_out_until_it_ends_or_is_lifted(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana, citizen(HERE, where) as ruth:
            await ana.subscribe()
            await ruth.subscribe()
            told = one.verb("ban", ana.host.peer_id, "--reason", "floods", "--for", "1h")
            assert told["disconnected"] == 1
            await gone(ana)
            assert await ruth.put(frame(HERE)) == (Fate.KEPT,)
        one.verb("ban", "127.0.0.0/8", "--reason", "all of it")
        assert not await enters(where)
        listed = one.verb("ban", "list")["bans"]
        assert [ban["reason"] for ban in listed] == ["floods", "all of it"]
        # It is on the disk: also after a crash.
        one.end(signal.SIGKILL)
        one.start()
        await one.answers()
        assert not await enters(where)
        one.verb("ban", "lift", "127.0.0.0/8")
        assert await enters(where)
        assert "names neither" in one.verb("ban", "ana", code=1)["error"]
        assert "Nobody of that name" in one.verb("ban", "lift", "10.0.0.1", code=1)["error"]


async def test_quotas_hold_at_once(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        async with citizen(HERE, where) as ana, citizen(HERE, where) as ruth:
            await ana.subscribe()
            one.verb("quota", "feeds", "1", "frames_per_day", "3")
            assert await ruth.subscribe() == Refused(Refusal.FULL, 0)
            fates = await ana.put(*(frame(HERE) for _ in range(5)))
            assert fates == (Fate.KEPT,) * 3 + (Fate.GONE,) * 2
            one.verb("quota", "feeds", "10", "feeds_per_address", "1")
            assert await ruth.subscribe() == Refused(Refusal.RATE, 0)
        assert "feeds = 10" in (one.folder / "config.toml").read_text()
        wrong = one.verb("quota", "feeds", "many", code=1)
        assert "must be a whole number" in wrong["error"]
        assert "feeds = 10" in (one.folder / "config.toml").read_text()
        assert "no setting quota.fedes" in one.verb("quota", "fedes", "1", code=1)["error"]


async def test_a_hangup_reads_the_settings_again(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        config = one.folder / "config.toml"
        config.write_text(config.read_text() + "\n[serve]\nfeed = false\n")
        assert one.process is not None
        one.process.send_signal(signal.SIGHUP)

        async def shut_out() -> bool:
            return not await enters(where)

        await eventually(shut_out)
        config.write_text("[serve\n")  # what cannot be read changes nothing, and stops nothing
        one.process.send_signal(signal.SIGHUP)
        assert not await enters(where)
        assert one.verb("status")["communities"][0]["listening"]


async def test_circuits_are_carried_within_their_caps_and_not_at_all_when_switched_off(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE, settings=("quota.circuit_bytes", "131072")) as one:
        where = address_of(one)
        async with citizen(HERE, where) as behind, citizen(HERE, where) as caller:

            async def echo(stream: Stream) -> None:
                with trio.move_on_after(20):
                    await stream.send(await stream.receive(2**20))

            behind.host.serve("/test/echo/1", echo, before_hello=True)
            (before,) = one.verb("status")["communities"]
            await behind.host.reserve(behind.peer)
            (after,) = one.verb("status")["communities"]
            assert (before["reservations"], after["reservations"], after["circuits"]) == (0, 1, 0)
            through = f"{where}/p2p-circuit/p2p/{behind.host.peer_id}"

            async def ask(size: int) -> int:
                stream = await caller.host.open(behind.host.peer_id, "/test/echo/1")
                await stream.send(bytes(size))
                return len(await stream.receive(2**20))

            await caller.host.dial([through])
            assert await ask(10_000) == 10_000
            with pytest.raises(StreamFailed):
                await ask(500_000)
            one.verb("quota", "serve.circuits", "false")
            with pytest.raises(StreamFailed):
                await caller.host.reserve(caller.peer)


async def test_the_card_is_the_relay_s_own_and_follows_its_words(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        one.verb("card", "--name", "Casa de Ana", "--country", "PT", "--terms", "Be kind.")
        where = address_of(one)
        async with citizen(HERE, where) as ana:
            accepted = await ana.subscribe()
            assert isinstance(accepted, Accepted)
            await ana.feed.send(messages.write(AskCard()))
            told = messages.read_tell(await ana.feed.receive(LIMIT_TELL))
            assert isinstance(told, TellCard)
            card = read_card(told.card, peer_id_bytes(ana.peer), wall_clock() // 60_000)
            assert (card.name, card.country, card.terms) == ("Casa de Ana", "PT", "Be kind.")
            assert card_hash(told.card) == accepted.card


async def test_a_typo_and_an_older_name_do_not_stop_it(tmp_path) -> None:
    one = RelayProcess(tmp_path / "relay")
    one.init()
    config = one.folder / "config.toml"
    config.write_text(config.read_text() + "\n[metrics]\nprot = 9464\n\n[relay]\nport = 1\n")
    one.start()
    try:
        (warning,) = (await one.answers())["warnings"]
        assert "'metrics.prot'" in warning
        assert "metrics.port" in warning
    finally:
        one.end()


def refuses(one: RelayProcess) -> dict:
    """What a relay says that does not start: one sentence each, and no more."""
    said = one.verb("run", code=1)
    assert set(said) == {"error", "safe", "next"}
    return said


def test_a_setting_that_cannot_be(tmp_path) -> None:
    one = RelayProcess(tmp_path / "relay")
    one.init()
    (one.folder / "config.toml").write_text("[quota]\nbytes = 'plenty'\n")
    assert "quota.bytes must be" in refuses(one)["error"]
    (one.folder / "config.toml").write_text("[quota\n")
    assert "not valid TOML" in refuses(one)["error"]


def test_no_relay_another_one_running_and_a_second_init(tmp_path) -> None:
    one = RelayProcess(tmp_path / "relay")
    assert "no relay in this folder" in refuses(one)["error"]
    one.init()
    assert "a relay in this folder already" in one.verb("init", "--yes", code=1)["error"]
    assert "not running" in one.verb("status", code=1)["error"]
    assert "no length of time" in one.verb("drain", "--for", "soon", code=1)["error"]


def test_a_folder_that_others_can_read(tmp_path) -> None:
    one = RelayProcess(tmp_path / "relay")
    one.init()
    (one.folder / "relay.key").chmod(0o644)
    said = refuses(one)
    assert "Other users" in said["error"]
    assert "chmod 600" in said["next"]


async def test_a_port_that_is_taken(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        where = address_of(one)
        one.end()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", int(where.split("/")[4])))
            other.listen()
            assert f"port {where.split('/')[4]}" in refuses(one)["error"]


async def test_a_clock_that_went_back(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        async with citizen(HERE, address_of(one)) as ana:
            await ana.subscribe()
            await ana.put(frame(HERE))
        one.end()
        done = await trio.run_process(
            [COMMAND[0], "-c", LONG_AGO, "run", "--folder", str(one.folder), "--json"], capture_stdout=True, check=False
        )
        assert done.returncode == 1
        assert b"clock is before" in done.stdout


async def test_a_ticket_that_is_none_changes_nothing(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        assert "not a relay ticket" in one.verb("allow", "AEXXXX", code=1)["error"]
        assert "ends in /p2p/" in one.verb("allow", ticket(HERE), "--beside", "/ip4/127.0.0.1/tcp/9", code=1)["error"]
        assert len(one.verb("status")["communities"]) == 1


def test_the_unit_is_one_that_systemd_takes(tmp_path) -> None:
    one = RelayProcess(tmp_path / "re lay")
    one.init("--systemd", str(tmp_path / "tertulia-relay.service"))
    text = (tmp_path / "tertulia-relay.service").read_text()
    assert "NoNewPrivileges=yes" in text
    assert 'run --folder "' in text
    try:
        done = subprocess.run(
            ["systemd-analyze", "verify", str(tmp_path / "tertulia-relay.service")],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("systemd-analyze is not here: the unit was not verified")
    assert "tertulia-relay.service" not in done.stderr
    assert done.returncode == 0


async def test_the_doctor_says_what_to_do(tmp_path) -> None:
    async with relay(tmp_path / "relay", HERE) as one:
        found = {row["check"]: row for row in one.verb("doctor", code=1)["checks"]}
        assert found["running"]["well"] is True
        assert found["port of Casa"]["well"] is True
        assert found["reach"]["well"] is False  # 127.0.0.1 is announced
        assert found["user"]["well"] is (os.geteuid() != 0)
        assert "--name" in found["settings"]["do"]


async def test_it_says_when_it_serves_also_to_who_listens_no_longer(tmp_path) -> None:
    one = RelayProcess(tmp_path / "relay")
    one.init()
    one.start()
    assert one.process is not None
    assert one.process.stderr is not None
    said = await trio.to_thread.run_sync(one.process.stderr.readline)
    assert said == b"The relay runs, until Ctrl+C or: tertulia relay stop\n"
    assert one.verb("status")["communities"] == []
    assert one.end() == 0
    one.start()
    assert one.process.stderr is not None
    assert one.process.stdout is not None
    one.process.stderr.close()
    await one.answers()
    one.process.send_signal(signal.SIGTERM)
    assert await trio.to_thread.run_sync(one.process.wait) == 0
    one.process.stdout.close()
