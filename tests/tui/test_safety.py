"""Destroying by a chord, locking by itself."""

import json

import pytest
from fake_node import NodeThread, populated
from on_asyncio import on_asyncio
from test_app import Sitting, sitting
from test_plain import Sitting as PlainSitting

from tertulia.protocol.control import LocalError
from tertulia.tui import idle
from tertulia.tui.app import TertuliaApp
from tertulia.tui.chord import Chord
from tertulia.tui.launch import attach
from tertulia.tui.profile import Profile
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.lock import LockScreen
from tertulia.tui.screens.talk import TalkScreen

CHORD = "ctrl+backslash"


def asked_for(at, method: str) -> bool:
    return any(name == method for name, _ in at.node.calls)


def test_a_chord_is_three_presses_within_a_second():
    chord = Chord()
    assert [chord.press(at) for at in (0.0, 0.5, 1.2, 1.4, 1.5)] == [2, 1, 1, 0, 2]


@on_asyncio
async def test_the_chord_destroys_an_open_or_a_locked_profile_and_asks_nothing(tmp_path):
    for locked in (False, True):
        folder = tmp_path / str(locked)
        folder.mkdir()
        node = populated(folder / "main")
        node.state = "locked" if locked else "unlocked"
        async with sitting(folder, node) as at:
            await at.on(LockScreen if locked else TalkScreen)
            await at.press(CHORD)
            await at.sees("destroys this profile for ever")
            assert not asked_for(at, "panic")
            await at.press(CHORD, CHORD, CHORD)
            await at.until(lambda at=at: at.app.return_value is not None)
            assert str(at.app.return_value).startswith("Destroyed: no passphrase opens this profile any more.")
            assert asked_for(at, "panic")


@on_asyncio
async def test_the_command_destroys_only_with_its_word(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        await at.type("/panic", "enter")
        await at.sees("/panic destroy does it at once")
        assert not asked_for(at, "panic")
        await at.type("/panic destroy", "enter")
        await at.until(lambda: at.app.return_value is not None)
        assert asked_for(at, "panic")


def test_the_plain_client_destroys_with_the_word_and_ends(tmp_path):
    with NodeThread(lambda: populated(tmp_path / "main")) as node, PlainSitting(tmp_path) as at:
        at.hears("Off the record")
        at.types("/panic")
        at.hears("/panic destroy does it at once")
        assert ("panic", {}) not in node.calls
        at.types("/panic destroy")
        at.hears("Destroyed: no passphrase opens this profile")
        assert at.process.wait(10) == 0
        assert ("panic", {}) in node.calls


def test_the_setting_is_kept_and_a_damaged_one_is_the_default(tmp_path):
    assert idle.read_minutes(tmp_path) == idle.DEFAULT_MINUTES
    for minutes in (0, 7):
        idle.keep_minutes(tmp_path, minutes)
        assert idle.read_minutes(tmp_path) == minutes
    assert (tmp_path / "face.json").stat().st_mode & 0o077 == 0
    for damaged in ("", "[]", '{"idle_minutes": -1}', '{"idle_minutes": true}', '{"idle_minutes": 1e9}', "\udcff"):
        (tmp_path / "face.json").write_text(damaged, encoding="utf-8", errors="surrogateescape")
        assert idle.read_minutes(tmp_path) == idle.DEFAULT_MINUTES
    with pytest.raises(LocalError):
        idle.keep_minutes(tmp_path / "nowhere", 5)


@pytest.mark.parametrize(("text", "minutes"), [("off", 0), ("5", 5), ("60m", 60), ("1440", 1440)])
def test_what_may_be_typed_after_idle(text, minutes):
    assert idle.minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["0", "", "-5", "1441", "9" * 30, "soon"])
def test_what_may_not(text):
    with pytest.raises(LocalError):
        idle.minutes_of(text)


@on_asyncio
async def test_after_the_time_without_a_key_it_locks_and_the_key_that_comes_too_late_does_nothing(tmp_path):
    time = [0.0]
    async with populated(tmp_path / "main") as node:
        profile = Profile(tmp_path, "main")
        app = TertuliaApp(profile, lambda: attach(profile), lambda: time[0])
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            at = Sitting(app, pilot, node)
            await at.on(TalkScreen)
            time[0] = 14 * 60.0
            await at.press("a")
            time[0] = 28 * 60.0
            await app.look_idle()
            assert node.state == "unlocked"  # the key at 14 minutes began it anew
            time[0] = 30 * 60.0
            await at.press("x")
            await at.on(LockScreen)
            await at.sees("Nobody typed for 15 minutes, so it locked by itself.")
            assert node.state == "locked"
            assert app.screen.query_one("#passphrase").value == ""
            await at.type("correct horse", "enter")
            await at.on(TalkScreen)
            node.keep = True  # told to stay unlocked
            node.changed()
            await at.until(lambda: app.status.get("keep"))
            time[0] = 90 * 60.0
            await app.look_idle()
            assert node.state == "unlocked"


@on_asyncio
async def test_the_time_is_seen_and_chosen_and_typed(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        await at.type("/idle", "enter")
        await at.sees("It locks by itself after 15 minutes without a key", "After 5 minutes", "Never")
        await at.press("enter")
        await at.on(TalkScreen)
        await at.sees("It locks by itself after 5 minutes")
        assert json.loads((tmp_path / "main" / "face.json").read_text()) == {"idle_minutes": 5}
        await at.type("/idle off", "enter")
        await at.sees("It does not lock by itself.")
        await at.type("/idle soon", "enter")
        await at.sees("That is not a time after which to lock.")
        await at.type("/status", "enter")
        await at.on(Choice)
        await at.sees("It does not lock by itself.")
