"""The parts of a relay alone: rates, bans, settings and their edits, and what a carrier keeps within its limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from carriers import Ear, commons, frame, held, now_minute, shelf
from trio.testing import MockClock

from tertulia.bootstrap.relay.bans import LIMIT_BANS, Ban, Bans, read_bans, subject
from tertulia.bootstrap.relay.carrier import RelayCarrier
from tertulia.bootstrap.relay.rates import LIMIT_ADDRESSES, Rates
from tertulia.bootstrap.relay.setting_edit import changed, literal
from tertulia.bootstrap.relay.settings import RENAMED, Limits, Serve, Settings, SettingsWrong, parse
from tertulia.bootstrap.relay.unit import unit
from tertulia.node.clock import wall_clock
from tertulia.node.substrate import PeerId, Verdict
from tertulia.protocol.errors import LocalError

HERE = commons("Casa")
PEER = HERE.peer
PATH = Path("config.toml")
DAY = 24 * 60


async def test_a_rate_gives_a_minute_s_worth_at_once_and_then_by_the_clock(autojump_clock: MockClock) -> None:
    rates = Rates(60)
    assert rates.owe("a", 60) == 0
    assert rates.owe("a", 30) == 30
    assert rates.owe("b", 60) == 0
    autojump_clock.jump(40)
    assert rates.allows("a", 10)
    assert not rates.allows("a", 1)
    rates.per_minute = 600
    autojump_clock.jump(1)
    assert rates.allows("a", 10)


async def test_a_million_addresses_cost_a_bounded_table(autojump_clock: MockClock) -> None:
    rates = Rates(60)
    for number in range(LIMIT_ADDRESSES + 500):
        rates.owe(f"198.51.100.{number}", 1)
    assert len(rates) == LIMIT_ADDRESSES


@pytest.mark.parametrize(
    ("who", "peer", "origin", "kept_out"),
    [
        ("203.0.113.7", "x", "203.0.113.7", True), ("203.0.113.7", "x", "203.0.113.8", False),
        ("203.0.113.0/24", "x", "203.0.113.8", True), ("2001:db8::1", "x", "2001:db8::/64", True),
        ("2001:db8::/32", "x", "2001:db8:0:1::/64", True), ("2001:db8::/32", "x", "203.0.113.8", False),
        ("0.0.0.0/0", "x", "nowhere", False),
    ],
)  # fmt: skip
def test_whom_a_ban_covers(who, peer, origin, kept_out):
    bans = Bans((Ban(subject(who), "", 0),))
    assert (bans.find(peer, origin, 1) is not None) is kept_out


def test_bans_end_are_kept_and_are_bounded():
    bans = Bans()
    bans.add(Ban(subject("203.0.113.7"), "floods", 1_000), 0)
    again = read_bans(bans.record)
    assert again.find("x", "203.0.113.7", 999) is not None
    assert again.find("x", "203.0.113.7", 1_000) is None
    assert read_bans(None).standing(0) == ()
    full = Bans(tuple(Ban(f"10.0.{number // 256}.{number % 256}/32", "", 0) for number in range(LIMIT_BANS)))
    with pytest.raises(LocalError):
        full.add(Ban(subject("203.0.113.7"), "", 0), 0)
    for nobody in ("", "ana", "203.0.113", "12D3Koo", "x" * 100):
        with pytest.raises(LocalError):
            subject(nobody)


@pytest.mark.parametrize("older", sorted(RENAMED))
def test_an_older_name_is_read(older):
    section, key = older.split(".")
    new_section, new_key = RENAMED[older].split(".")
    values = {"listen": "127.0.0.1", "announce": "relay.example.org", "bytes": 20_000_000}
    value = values.get(new_key, 7)
    settings = parse(f"[{section}]\n{key} = {literal(str(value))}\n", PATH)
    assert getattr(getattr(settings, new_section), new_key) == value
    assert not settings.warnings


def test_a_setting_is_changed_where_it_stands_and_nothing_else_is():
    text = '# mine\n[quota]\n# many\nfeeds = 3  # three\nbytes = 20000000\n\n[log]\nlevel = "debug"\n'
    after = changed(text, "quota.feeds", "4")
    assert after == text.replace("feeds = 3  # three", "feeds = 4")
    assert parse(changed(after, "quota.circuits", "9"), PATH).quota.circuits == 9
    assert parse(changed("", "operator.name", literal('a "name"\\')), PATH).operator.name == 'a "name"\\'
    older = changed("[quota]\ndisk = 17000000\n", "quota.bytes", literal("30 MB"))
    assert parse(older, PATH) == parse("[quota]\nbytes = 30000000\n", PATH)
    with pytest.raises(SettingsWrong):
        changed("", "quota.byts", "1")


@pytest.mark.parametrize(
    "text",
    [
        "[quota]\nfeeds = -1\n", "[quota]\nfeeds = true\n", "[quota]\nbytes = 'x'\n", "[quota]\nbytes = 1\n",
        "[address]\nlisten = 'here'\n", "[address]\nannounce = '0.0.0.0'\n", "[address]\nannounce = 'a b'\n",
        "[operator]\nname = ' x'\n", "[serve]\nfeed = 1\n", "[log]\nlevel = 'all'\n", "[metrics]\nport = 70000\n",
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_with_what_would(text):
    with pytest.raises(SettingsWrong) as caught:
        parse(text, PATH)
    assert " must be " in caught.value.problem.error


def test_a_unit_quotes_its_paths_and_runs_as_the_folder_s_owner(tmp_path):
    text = unit(tmp_path / "a b", "/usr/100%/python")
    assert f'ReadWritePaths="{tmp_path}/a b"' in text
    assert f"User={tmp_path.stat().st_uid}\n" in text
    assert "ExecStart=/usr/100%%/python -P" in text or 'ExecStart="/usr/100%%/python" -P' in text


def settings(**limits: int) -> Settings:
    return Settings(quota=replace(Limits(), **limits))


async def kept(folder: Path, given: Settings) -> tuple[RelayCarrier, set[bytes]]:
    """What is left of a frame of ten minutes ago and one of three days ago, after eviction."""
    opened = shelf(folder, HERE)
    carrier = RelayCarrier(HERE, opened, wall_clock, Ear(), given)
    old, new = frame(HERE, now_minute() - 3 * DAY), frame(HERE, now_minute() - 10)
    await carrier.keep([old, new], PeerId("x"))
    await carrier.evict()
    left = await held(carrier)
    await opened.close()
    return carrier, {name for name, one in (("old", old), ("new", new)) if one.id in left}


async def test_a_carrier_keeps_what_its_limits_allow(tmp_path) -> None:
    assert (await kept(tmp_path / "all", settings()))[1] == {"old", "new"}
    assert (await kept(tmp_path / "days", settings(retention_days=2)))[1] == {"new"}
    assert (await kept(tmp_path / "none", Settings(serve=Serve(archive=False))))[1] == {"new"}
    carrier, left = await kept(tmp_path / "bytes", settings(bytes=1_500))
    assert left == {"new"}
    # The floor has risen: what went for room is not asked for again.
    assert carrier.stand.floor > now_minute() - 3 * DAY


async def test_gossip_beyond_its_rate_is_not_handed_on_and_may_come_again(tmp_path, autojump_clock: MockClock) -> None:
    opened = shelf(tmp_path / "a", HERE)
    carrier = RelayCarrier(HERE, opened, wall_clock, Ear(), settings(frames_per_minute=1))
    carrier.met(PeerId("x"), "203.0.113.7")
    carrier.met(PeerId("y"), "203.0.113.7")
    verdicts = [carrier.validate(frame(HERE).raw, PeerId("xy"[number % 2])) for number in range(10)]
    assert verdicts == [Verdict.ACCEPT] * 10
    late = frame(HERE)
    assert carrier.validate(late.raw, PeerId("x")) is Verdict.IGNORE
    assert carrier.validate(late.raw, PeerId("another")) is Verdict.ACCEPT
    await opened.close()
