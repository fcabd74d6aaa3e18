"""A peer's text on the terminal: every place that shows one is given everything that could act, and the bytes that
reach the driver are searched. Layer 1 is left out on purpose: what is tested here must hold without it."""

import asyncio
import re

import pytest
from fake_node import populated
from on_asyncio import on_asyncio
from rich.segment import Segment
from rich.style import Style
from test_app import sitting
from textual.color import Color

from tertulia.tui.guard import int_of, line_of, rows_of, strip_line, strip_text
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.invite import InviteScreen
from tertulia.tui.screens.people import PeopleScreen
from tertulia.tui.screens.talk import TalkScreen
from tertulia.tui.terminal_guard import TerminalGuard
from tertulia.tui.theme import ACCENT, GROUND, INK, NAMES, OWN, QUIET, RAISED, SIDE

ACTING = (
    "\x1b]52;c;ZXZpbA==\x07",  # write the clipboard
    "\x1b[2J\x1b[H",  # clear the screen
    "\x9b31m\x9d52;c;ZXZpbA==\x9c",  # the same with 8-bit introducers
    "\u202eevil\u2066\u2069\u200f\u061c",  # bidirectional overrides and marks
    "\x00\x08\x0c\x0e\x7f\x85\u2028\u2029\ufff9\U000e0041",
    "\x1b_G\x1b\\\x1bP1$r\x1b\\\x1b]0;title\x07",
)
NASTY = "".join(ACTING) + "[@click=app.quit]press[/][bold red]MARKUP[/]"
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


@pytest.mark.parametrize("text", ACTING)
def test_nothing_that_acts_is_left_of_a_text(text):
    left = strip_text(f"a{text}\tb\nc")
    assert not FORBIDDEN.search(left)
    assert "\x1b" not in left
    assert left.endswith(" b\nc")
    assert "\n" not in strip_line("a\nb")


def test_what_people_need_is_left():
    kept = "سلام\u200cها 👩\u200d👩\u200d👧 e\u0301 नमस्ते — “x”\nnext"  # noqa: RUF001
    assert strip_text(kept) == kept


def test_rows_of_another_shape_show_as_nothing():
    row = {"a": 5, "b": "x\ny", "c": [1, {"d": "e"}], "f": None}
    assert (line_of(row, "a"), line_of(row, "b"), line_of(row, "z")) == ("", "x y", "")
    assert (int_of(row, "a"), int_of(row, "b")) == (5, 0)
    assert (rows_of(row, "c"), rows_of(row, "f")) == ([{"d": "e"}], [])


def test_the_line_filter_keeps_styles_and_strips_texts():
    style = Style(bold=True)
    segments = [Segment("plain", style), Segment(NASTY, style), Segment("عربي", None)]
    left = TerminalGuard().apply(segments, Color(0, 0, 0))
    assert left[0] is segments[0]
    assert left[1].style is style
    assert not FORBIDDEN.search("".join(segment.text for segment in left))


def written(at) -> str:
    """What Textual hands the driver to draw the whole screen, byte for byte."""
    app = at.app
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    return update.render_segments(app.console)


def acts(output: str) -> str:
    """What of the driver's output is neither a style nor a cursor move of Textual's own."""
    rest = re.sub(r"\x1b\[[0-9;]*[mH]|\x1b\[\?[0-9]+[hl]|[\n\r]", "", output)
    return "".join(sorted(set("\x1b") & set(rest))) + "".join(FORBIDDEN.findall(rest))


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 35)])
@on_asyncio
async def test_no_widget_lets_a_peer_act_on_the_terminal(tmp_path, size):
    node = populated(tmp_path / "main")
    node.commons[0].update(name=NASTY, error=NASTY, address=NASTY)
    talk = next(iter(node.talks.values()))
    talk.title = NASTY
    talk.members[1].update(nick=NASTY, status=NASTY, told_by=NASTY)
    node.add_message(talk, NASTY, NASTY, late=True, gap=True)
    node.add_message(talk, "Ruth", "marker")
    node.joins.append({"join": "7" * 64, "title": NASTY, "state": "knocked", "inviter": NASTY, "dialogue": None,
                       "problem": NASTY})  # fmt: skip
    async with sitting(tmp_path, node, size) as at:
        async def look(where: str) -> None:
            await at.pilot.pause()
            output = written(at)
            assert len(output) > 200
            assert acts(output) == "", where
            assert at.app.return_value is None

        await at.on(TalkScreen)
        await at.sees("marker")
        await at.press("up", "up")
        await look("messages")
        await at.press("escape")
        node.knock(talk, NASTY)
        await at.sees("asks to join")
        await look("knock bar")
        for keys, screen in ((("ctrl+o",), Choice), (("ctrl+t",), PeopleScreen), (("ctrl+g",), Choice),
                             (("ctrl+r",), InviteScreen)):  # fmt: skip
            await at.press(*keys)
            await at.on(screen)
            await look(str(keys))
            await at.press("escape")
            await at.on(TalkScreen)
        await at.press("ctrl+t", "down", "down", "enter")
        await look("removal")
        await at.press("escape", "escape")
        await at.type("/status", "enter")
        await at.on(Choice)
        await look("status")
        await at.press("escape")
        at.app.say(NASTY)
        await look("toast")
        at.app.copy_to_clipboard(NASTY)
        at.app.title = NASTY
        await at.type(NASTY)
        await look("composer")
        await at.press("ctrl+g", "down", "down", "enter")
        await look("join")


@on_asyncio
async def test_markup_in_a_peers_text_is_text_and_clicks_nothing(tmp_path):
    node = populated(tmp_path / "main")
    node.add_message(next(iter(node.talks.values())), "Ruth", "[@click=app.quit]press me[/]")
    async with sitting(tmp_path, node) as at:
        await at.sees("[@click=app.quit]press me[/]")
        y = next(number for number, line in enumerate(at.text().splitlines()) if "press me" in line)
        x = at.text().splitlines()[y].index("press me")
        await at.pilot.click(offset=(x + 1, y))
        await at.pilot.pause()
        assert isinstance(at.app.screen, TalkScreen)
        assert at.app.return_value is None


@on_asyncio
async def test_the_test_would_see_a_leak(tmp_path):
    """The same search finds what an app without the guard lets through."""
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        at.app._guard.enabled = False
        at.app.get_line_filters = list
        from textual.widgets import Static

        await at.app.screen.mount(Static("\x1b]52;c;ZXZpbA==\x07 \x9b31m", markup=False), before="#status")
        await at.pilot.pause()
        assert acts(written(at)) != ""


@on_asyncio
async def test_only_words_shows_free_text(tmp_path):
    """A rule of the house, read from the sources: Static, Label and Markdown appear nowhere else."""
    import ast
    from pathlib import Path

    import tertulia.tui

    allowed = {"words.py", "qr.py"}
    for path in Path(tertulia.tui.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id in {"Static", "Label", "Markdown", "RichLog", "Log", "Button", "DataTable"}:
                assert path.name in allowed, path
            if call.func.id == "OptionList":
                assert any(word.arg == "markup" and word.value.value is False for word in call.keywords), path
    await asyncio.sleep(0)


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", [GROUND, SIDE, RAISED])
def test_the_theme_can_be_read(ground):
    assert contrast(INK, ground) >= 7
    for colour in (QUIET, ACCENT, OWN, *NAMES):
        assert contrast(colour, ground) >= 4.5
