import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from fake_node import FakeNode, populated
from on_asyncio import on_asyncio
from textual import events

from tertulia.tui.app import TertuliaApp
from tertulia.tui.launch import find_node
from tertulia.tui.profile import Profile
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.community import CommunityScreen
from tertulia.tui.screens.help import HelpScreen
from tertulia.tui.screens.invite import InviteScreen
from tertulia.tui.screens.join import JoinScreen
from tertulia.tui.screens.lock import LockScreen
from tertulia.tui.screens.opening import OpeningScreen
from tertulia.tui.screens.people import PeopleScreen
from tertulia.tui.screens.person import PersonScreen
from tertulia.tui.screens.talk import TalkScreen
from tertulia.tui.screens.waiting import WaitingScreen
from tertulia.tui.widgets.composer import Composer

SIZES = pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 35)], ids=lambda size: f"{size[0]}x{size[1]}")


class Sitting:
    """A person before the screen: types, and looks until something is there."""

    def __init__(self, app: TertuliaApp, pilot, node: FakeNode) -> None:
        self.app, self.pilot, self.node = app, pilot, node

    def text(self) -> str:
        """What the terminal shows now, line by line."""
        width, height = self.app.size
        lines = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in lines)[: (width + 1) * height]

    def flat(self) -> str:
        return " ".join(self.text().split())

    async def sees(self, *words: str) -> None:
        await self.until(lambda: all(word in self.flat() for word in words), words)

    async def until(self, condition, what=None) -> None:
        deadline = time.monotonic() + 4
        while not condition():
            assert time.monotonic() < deadline, f"never: {what}\n{self.text()}"
            await self.pilot.pause(0.01)

    async def on(self, screen) -> None:
        await self.until(lambda: isinstance(self.app.screen, screen), screen)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    def burst(self, text: str) -> None:
        """Keys as a terminal delivers them when they were typed ahead: all at once."""
        names = {"\r": "enter", "/": "slash"}
        for character in text:
            key = names.get(character, character)
            self.app.post_message(events.Key(key, None if key == "enter" else character))

    async def type(self, text: str, *then: str) -> None:
        """As a paste, which is what a fast typist looks like, then keys."""
        self.app.post_message(events.Paste(text))
        await self.pilot.press(*then)


@asynccontextmanager
async def sitting(tmp_path, node: FakeNode | None = None, size=(80, 24)):
    """The app before a node that runs in the same loop."""
    profile = Profile(tmp_path, "main")

    async def attach():
        while (client := await find_node(profile)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return client

    async with node or populated(profile.folder) as running:
        app = TertuliaApp(profile, attach)
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Sitting(app, pilot, running)


@SIZES
@on_asyncio
async def test_who_sees_the_address_is_said_before_the_first_connection(tmp_path, size):
    for first, screen, words in (
        ("enter", JoinScreen, "Joining shows your network address to the community's devices"),
        ("down", CommunityScreen, "the community's devices see it when they connect."),
    ):
        async with sitting(tmp_path / first, FakeNode(tmp_path / first / "main"), size) as at:
            await at.sees("I have an invite")
            await at.press(*(["enter"] if first == "enter" else ["down", "enter"]))
            await at.on(PersonScreen)
            await at.type("Ana", "enter")
            await at.type("correct horse", "enter")
            await at.type("correct horse", "enter")
            await at.on(screen)
            await at.sees(words)
            await at.press("tab", "tab")
            await at.sees(words)


@SIZES
@on_asyncio
async def test_a_newcomer_joins_with_an_invite_and_talks(tmp_path, size):
    async with sitting(tmp_path, FakeNode(tmp_path / "main"), size) as at:
        await at.on(OpeningScreen)
        await at.sees("I have an invite", "Start a community")
        await at.press("enter")
        await at.on(PersonScreen)
        await at.sees("Only people you invite see it")
        await at.type("Ana", "enter")
        await at.type("horse", "enter")
        await at.type("house", "enter")
        await at.sees("The two passphrases differ")
        await at.type("horse", "enter")
        await at.on(JoinScreen)
        await at.type("hello", "enter")
        await at.sees("This is not an invite")
        await at.press("ctrl+u")
        await at.type("AEAQK7F9", "enter")
        await at.on(TalkScreen)
        await at.sees("Water treaty", "2 people", "Off the record")
        await at.type("Good evening", "enter")
        await at.sees("You", "Good evening", "on this machine only")
        assert at.node.passphrase == "horse"
        assert [name for name, _ in at.node.calls if name in {"init", "join", "say"}] == ["init", "join", "join", "say"]


@SIZES
@on_asyncio
async def test_a_newcomer_starts_a_community_and_holds_its_invite(tmp_path, size):
    async with sitting(tmp_path, FakeNode(tmp_path / "main"), size) as at:
        at.node.init_gate = asyncio.Event()
        await at.on(OpeningScreen)
        await at.press("down", "enter")
        await at.on(PersonScreen)
        await at.type("Ana", "enter")
        await at.type("horse", "enter")
        await at.type("horse", "enter")
        await at.on(CommunityScreen)
        await at.type("Harbour", "enter", "enter", "enter")
        await at.sees("Locking your profile with your passphrase")
        at.node.init_gate.set()
        await at.until(lambda: at.node.state == "unlocked")
        await at.until(lambda: at.node.commons or "proposed" in at.flat())
        if not at.node.commons:
            await at.press("enter")
        await at.on(InviteScreen)
        assert at.node.commons[0]["address"] == "/ip4/192.168.1.7/tcp/41234"
        await at.press("enter")
        await at.until(lambda: "It works once, for 7 days" in str(at.app.screen.query_one("#lifetime").content))
        shown = at.text().replace(" ", "").replace("\n", "")
        assert "AEAQK7F9" in shown
        assert ("▀" in shown or "▄" in shown) == (size[0] >= 80)
        await at.press("escape")
        await at.sees("Nobody else is here yet")


@on_asyncio
async def test_what_is_typed_right_after_enter_lands_in_the_next_field_and_message(tmp_path):
    async with sitting(tmp_path, FakeNode(tmp_path / "main")) as at:
        await at.on(OpeningScreen)
        await at.press("enter")
        await at.on(PersonScreen)
        at.burst("Ana\rhorse\rhorse")
        await at.until(lambda: at.app.screen.query_one("#again").value == "horse")
        assert at.app.screen.query_one("#nick").value == "Ana"
        assert at.app.screen.query_one("#passphrase").value == "horse"
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        at.burst("one\rtwo\r/help\r")
        await at.on(HelpScreen)
        said = [params["text"] for name, params in at.node.calls if name == "say"]
        assert said == ["one", "two"]


@on_asyncio
async def test_an_invite_whose_inviter_is_away_says_knocked_and_opens_by_itself_later(tmp_path):
    async with sitting(tmp_path) as at:
        at.node.admits_at_once = False
        at.node.talks.clear()
        await at.on(TalkScreen)
        await at.press("ctrl+n")
        await at.sees("I have an invite")
        await at.press("tab", "enter")
        await at.on(JoinScreen)
        await at.type("AEAQ", "enter")
        await at.sees("Knocked. Ruth's device admits you when it is next online; you can close this.")
        at.node.admit_me(at.node.joins[0]["join"])
        await at.sees("2 people", "Write here")


@on_asyncio
async def test_a_locked_profile_asks_and_a_wrong_passphrase_says_so_and_changes_nothing(tmp_path):
    node = populated(tmp_path / "main")
    node.hear(next(iter(node.talks.values())), "Ruth", "secret words")
    node.state = "locked"
    async with sitting(tmp_path, node) as at:
        await at.on(LockScreen)
        await at.type("wrong", "enter")
        await at.sees("This is not the passphrase.")
        assert at.node.state == "locked"
        assert "Water treaty" not in at.flat()
        await at.type("correct horse", "enter")
        await at.sees("secret words")


@on_asyncio
async def test_locking_blanks_everything_and_so_does_another_clients_lock(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        await at.sees("Water treaty")
        await at.press("ctrl+r", "ctrl+l")
        await at.on(LockScreen)
        assert "Water" not in at.flat()
        assert at.node.state == "locked"
        await at.type("correct horse", "enter")
        await at.on(TalkScreen)
        at.node.do_lock()
        at.node.changed()
        await at.on(LockScreen)


@on_asyncio
async def test_quitting_locks_and_ends_unless_keep_receiving_is_chosen(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        await at.press("ctrl+q")
        await at.sees("Lock and end", "Keep receiving")
        await at.press("escape")
        await at.on(TalkScreen)
        await at.press("ctrl+q")
        await at.on(Choice)
        await at.press("enter")
        await at.until(lambda: at.app.return_value is not None)
        assert at.app.return_value == "Locked. Nothing of Tertulia is running any more."
        assert at.node.calls[-1][0] == "stop"
    (tmp_path / "two").mkdir()
    async with sitting(tmp_path / "two") as at:
        await at.on(TalkScreen)
        await at.press("ctrl+q")
        await at.on(Choice)
        await at.press("down", "enter")
        await at.until(lambda: at.app.return_value is not None)
        assert at.node.keep
        assert "keeps receiving" in str(at.app.return_value)


@on_asyncio
async def test_a_node_that_dies_is_told_and_found_again_and_what_was_typed_stays(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        await at.type("half a")
        await at.node.die()
        await at.sees("The node has stopped.", "Starting it again")
        await at.press("enter")
        await at.until(lambda: at.app.screen.query_one(Composer).text == "half a")
        async with populated(tmp_path / "main") as second:
            second.hear(next(iter(second.talks.values())), "Ruth", "still here")
            await at.sees("still here", "device connected")
            await at.press("enter")
            await at.sees("You", "half a")
            await second.die()


@on_asyncio
async def test_a_node_that_restarted_locked_asks_for_the_passphrase_and_says_why(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        await at.node.die()
        second = populated(tmp_path / "main")
        second.state = "locked"
        async with second:
            await at.on(LockScreen)
            await at.sees("was started again")


@on_asyncio
async def test_a_node_that_cannot_be_had_is_a_sentence_on_the_first_screen(tmp_path):
    from tertulia.tui.launch import attach

    (tmp_path / "file").write_text("")
    profile = Profile(tmp_path / "file", "main")
    app = TertuliaApp(profile, lambda: attach(profile))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        at = Sitting(app, pilot, FakeNode(tmp_path / "x"))
        await at.on(WaitingScreen)
        await at.sees("cannot be used", "Trying again")
        await at.press("ctrl+q")
        await at.until(lambda: app.return_value is not None)


@on_asyncio
async def test_who_knocks_is_shown_and_let_in(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        at.node.knock(next(iter(at.node.talks.values())), "Bo")
        await at.sees("Bo asks to join “Water treaty” · Ctrl+O answers")
        await at.press("ctrl+o")
        await at.sees("Code 4821 7733")
        await at.press("enter")
        assert at.node.knocks
        await at.press("ctrl+o")
        await at.on(Choice)
        await at.press("down", "enter")
        await at.sees("3 people")
        assert "asks to join" not in at.flat()


@on_asyncio
async def test_somebody_is_removed_only_after_a_second_yes(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        await at.press("ctrl+t")
        await at.on(PeopleScreen)
        await at.sees("Ana", "you, facilitator", "Ruth", "unchecked")
        await at.press("down", "enter")
        await at.on(Choice)
        await at.press("down", "down", "enter")
        await at.sees("Remove Ruth?")
        await at.press("enter")
        await at.on(PeopleScreen)
        assert not any(name == "remove" for name, _ in at.node.calls)
        await at.press("enter")
        await at.on(Choice)
        await at.press("down", "down", "enter")
        await at.sees("Remove Ruth?")
        await at.press("down", "enter")
        await at.until(lambda: any(name == "remove" for name, _ in at.node.calls))
        await at.press("escape")
        await at.sees("1 person")


@on_asyncio
async def test_codes_are_compared_with_who_knocked_and_with_the_inviter(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        at.node.knock(next(iter(at.node.talks.values())), "Bo")
        await at.sees("Bo asks to join")
        await at.press("ctrl+o")
        await at.on(Choice)
        await at.press("down", "enter")
        await at.sees("3 people")
        await at.press("ctrl+t")
        await at.on(PeopleScreen)
        await at.press("down", "enter")
        await at.sees("Code 1234 5678 9012 3456 7890: if Bo reads out the same", "one")
        await at.press("down", "enter")
        await at.until(lambda: at.node.talks[next(iter(at.node.talks))].members[2]["checked"])


@on_asyncio
async def test_a_guest_compares_codes_with_the_inviter(tmp_path):
    node = populated(tmp_path / "main")
    node.talks.clear()
    node.do_join("AEAQ")
    async with sitting(tmp_path, node) as at:
        await at.sees("2 people")
        await at.press("ctrl+t")
        await at.on(PeopleScreen)
        await at.press("down", "enter")
        await at.sees("Code 1234 5678 9012 3456 7890: if Ruth reads out the same", "one")


@on_asyncio
async def test_what_has_been_on_the_screen_is_seen(tmp_path):
    node = populated(tmp_path / "main")
    talk = next(iter(node.talks.values()))
    node.add_message(talk, "Ruth", "one")
    talk.unread = 1
    async with sitting(tmp_path, node) as at:
        await at.sees("one", "new")
        await at.until(lambda: talk.unread == 0)


@on_asyncio
async def test_every_key_has_a_command_and_a_wrong_one_names_the_nearest(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        for command, screen in (("/invite", InviteScreen), ("/people", PeopleScreen), ("/help", HelpScreen)):
            await at.type(command, "enter")
            await at.on(screen)
            await at.press("escape")
            await at.on(TalkScreen)
        await at.type("/status", "enter")
        await at.sees("Nothing of yours waits to be sent.")
        await at.press("escape")
        await at.type("/clock", "enter")
        await at.sees("This machine's clock is not in doubt.")
        at.node.clock = {"shows": 1_900_000_000_000, "known": 1_795_360_440_000, "agree": 1}
        at.node.changed()
        await at.sees("is the clock right? /clock")
        await at.type("/clock", "enter")
        await at.sees("2030-03-17", "nothing is erased for its age")
        await at.press("down", "enter")
        await at.until(lambda: not at.node.clock)
        await at.type("/inv")
        await at.sees("/invite")
        await at.type("tie", "enter")
        await at.sees("Did you mean /invite?")
        await at.type("//tmp is a folder", "enter")
        await at.sees("You", "/tmp is a folder")
        await at.type("/leave", "enter")
        await at.on(Choice)
        await at.press("down", "enter")
        await at.sees("You have left this dialogue")
        await at.type("/lock")
        assert at.node.state == "unlocked"


@on_asyncio
async def test_dialogues_are_gone_to_by_key_and_drafts_stay_with_theirs(tmp_path):
    node = populated(tmp_path / "main")
    walk = node.add_talk("Harbour walk")
    node.add_message(walk, "Omar", "At seven?")
    walk.unread = 1
    async with sitting(tmp_path, node) as at:
        await at.on(TalkScreen)
        await at.sees("At seven?", "new")
        await at.type("half a thought")
        await at.press("ctrl+g", "enter")
        await at.sees("Write here")
        assert at.app.screen.query_one(Composer).text == ""
        await at.press("ctrl+g", "enter")
        await at.until(lambda: at.app.screen.query_one(Composer).text == "half a thought")


@on_asyncio
async def test_a_message_is_chosen_and_copied_without_the_mouse(tmp_path):
    node = populated(tmp_path / "main")
    talk = next(iter(node.talks.values()))
    for text in ("one", "two"):
        node.add_message(talk, "Ruth", text)
    async with sitting(tmp_path, node) as at:
        await at.on(TalkScreen)
        await at.sees("two")
        await at.press("up", "up", "c")
        await at.until(lambda: at.app.clipboard == "one")
        await at.press("escape")
        assert isinstance(at.app.focused, Composer)


@on_asyncio
async def test_reading_above_is_not_disturbed_by_what_arrives_below(tmp_path):
    node = populated(tmp_path / "main")
    talk = next(iter(node.talks.values()))
    for number in range(60):
        node.add_message(talk, "Ruth", f"number {number}")
    async with sitting(tmp_path, node) as at:
        await at.sees("number 59")
        await at.press("up", "home")
        await at.sees("number 0")
        before = [line[:78] for line in at.text().splitlines()[1:10]]
        node.hear(talk, "Omar", "a new one")
        await at.sees("↓ 1 new")
        assert [line[:78] for line in at.text().splitlines()[1:10]] == before
        await at.press("end")
        await at.sees("a new one")
        await at.until(lambda: "↓" not in at.flat())


@on_asyncio
async def test_older_messages_are_asked_for_at_the_top(tmp_path):
    node = populated(tmp_path / "main")
    talk = next(iter(node.talks.values()))
    for number in range(450):
        node.add_message(talk, "Ruth", f"number {number}")
    async with sitting(tmp_path, node) as at:
        await at.sees("number 449")
        for known in (400, 450):
            await at.press("up", "home")
            await at.until(lambda known=known: len(at.app.screen._messages.view.rows) == known, known)
            assert "↓" not in at.flat()
            await at.press("escape")
        await at.press("up", "home")
        await at.sees("number 0 ")


@on_asyncio
async def test_without_colour_everything_is_still_said(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        await at.sees("Water treaty", "Off the record", "device connected")
        strips = at.app.screen._compositor.render_strips()
        colourless, ground = at.app.get_line_filters()[0], at.app.screen.background_colors[1]
        filtered = [strip.apply_filter(colourless, ground) for strip in strips]
        for strip in filtered:
            for segment in strip:
                if segment.style and segment.style.color and segment.style.color.triplet:
                    red, green, blue = segment.style.color.triplet
                    assert red == green == blue
