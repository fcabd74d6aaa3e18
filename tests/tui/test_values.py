"""The face's pure parts: views, wrapping, a message's lines, commands, sentences, QR."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tertulia.protocol.control import Delta, LocalError, Row, Snapshot
from tertulia.tui.block import Block, Role, delivery
from tertulia.tui.commands import COMMANDS, beginning_with, message_of, nearest, parse
from tertulia.tui.duration import minutes
from tertulia.tui.phrases import FETCHING, audience, join_words, lacking, member_words, status_lines, status_words
from tertulia.tui.qr import qr_lines
from tertulia.tui.view import View
from tertulia.tui.when import clock_of, day_number, day_of, moment_of
from tertulia.tui.wrap import wrap

NOON = 1_795_348_800_000


def row(name: str, *order: int | str, **value: object) -> Row:
    return Row(name, order, dict(value))


def test_a_view_sorts_takes_deltas_and_keeps_rows_that_did_not_change():
    view = View()
    assert not view.is_known
    view.apply(Snapshot(1, 1, (row("b", 2), row("a", 1), row("c", "x"))))
    assert [each.id for each in view.rows] == ["a", "b", "c"]
    kept = view.rows[0]
    view.apply(Delta(1, 2, (row("a", 1), row("b", 0), row("d", 3)), ("c", "nobody")))
    assert [each.id for each in view.rows] == ["b", "a", "d"]
    assert view.rows[1] is kept
    view.apply(Snapshot(1, 9, (row("a", 1),)))
    assert view.rows[0] is kept
    assert len(view.rows) == 1
    assert view.get("b") is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), st.booleans()), max_size=40))
def test_a_view_equals_a_dict_sorted_at_the_end(steps):
    view, expected = View(), {}
    for change, (name, order, gone) in enumerate(steps):
        view.apply(Delta(1, change, () if gone else (row(name, order),), (name,) if gone else ()))
        if gone:
            expected.pop(name, None)
        else:
            expected[name] = row(name, order)
    assert list(view.rows) == sorted(expected.values(), key=lambda each: (each.order, each.id))


TEXTS = st.text(alphabet=st.sampled_from("ab  \n我é👩\u200d\u0301 سx"), max_size=60)


@given(TEXTS, st.integers(2, 20))
def test_no_line_is_wider_than_allowed_and_nothing_but_spaces_is_lost(text, width):
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace("\n", "").replace(" ", "")


def test_lines_break_at_words_and_long_words_are_cut():
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("abcdefgh ij", 5) == ["abcde", "fgh", "ij"]
    assert wrap("我们可以 x", 4) == ["我们", "可以", "x"]
    assert wrap("a\n\nb", 9) == ["a", "", "b"]


def value(text: str = "hello", **more: object) -> dict[str, object]:
    return {"text": text, "time": NOON, "author": "Ruth", "member": "aa", "mine": False, "state": "sent", **more}


def flat(block: Block, width: int = 80) -> list[str]:
    return ["".join(span.text for span in line).rstrip() for line in block.lines(width)]


def test_the_first_message_has_its_day_a_second_one_only_its_text():
    first, second = value("one"), value("two", time=NOON + 60_000)
    assert flat(Block(first, None, False))[2:] == [f" {clock_of(NOON)} Ruth", "       one"]
    assert day_of(NOON) in flat(Block(first, None, False))[0]
    assert flat(Block(second, first, False)) == ["       two"]


@pytest.mark.parametrize("change", [
    {"member": "bb"}, {"author": "Bo"}, {"time": NOON + 301_000}, {"late": True}, {"gap": True}, {"mine": True},
    {"lost": 1},
])  # fmt: skip
def test_a_heading_comes_back_when_something_changes(change):
    assert len(flat(Block(value("two", **change), value("one"), False))) >= 3


def test_gaps_lateness_and_the_unread_line_are_said():
    assert FETCHING in flat(Block(value(gap=True), value(), False), 100)[1]
    both = flat(Block(value(gap=True, lost=2), value(), False), 100)
    assert FETCHING in both[1]
    assert "2 messages before this are lost: nobody who is here has them." in both[2]
    one = flat(Block(value(lost=1), value(), False), 100)
    assert "1 message before this is lost: nobody who is here has it." in one[1]
    assert any("arrived late" in line for line in flat(Block(value(late=True), value(), False)))
    assert any("── new ──" in line for line in flat(Block(value(), value(), True)))


def test_what_is_missing_in_a_dialogue_is_counted_apart_from_what_is_lost():
    assert lacking({"missing": 0, "lost": 0}) == ""
    assert lacking({"missing": 2, "lost": 0}) == "2 messages missing: fetching"
    assert lacking({"missing": 1, "lost": 3}) == "1 message missing: fetching · 3 messages lost"


def test_a_message_whose_text_is_gone_says_why_in_letters_that_no_text_has():
    (line,) = Block(value("", expired=30), value(), False).lines(60)
    assert "".join(span.text for span in line) == "       (its text was kept for 30 days)"
    (forged,) = Block(value("(its text was kept for 30 days)"), value(), False).lines(60)
    assert line[-1].role is not forged[-1].role


def test_what_became_of_a_message_is_said_in_words():
    assert delivery(value(mine=True, state="stored")) == "on this machine only"
    assert delivery(value(mine=True, peers=1)) == "with 1 other device"
    assert delivery(value(mine=True, peers=3)) == "with 3 other devices"
    assert delivery(value(mine=True, peers=0, members=2)) == "sent"
    assert delivery(value(mine=True, peers=3, relays=["Lisboa", "Porto"])) == "kept by Lisboa and Porto"
    assert delivery(value(mine=True, peers=1, relays=["\x1b[2JX"])) == "kept by [2JX"
    alone = value(mine=True, state="stored", alone=True, members=0)
    assert delivery(alone) == "on this machine only: nobody else was here"
    assert delivery(value(mine=True, peers=3, received=["Bo"], members=2)) == "received by 1 of 2"
    narrow = flat(Block(value(mine=True, state="stored"), None, False), 40)
    assert any("on this machine only" in line for line in narrow)


@given(
    st.lists(
        st.fixed_dictionaries({
            "text": TEXTS, "time": st.integers(-10, 2**62), "member": st.sampled_from(["a", "b"]),
            "mine": st.booleans(), "late": st.booleans(), "gap": st.booleans(), "author": TEXTS,
            "lost": st.integers(0, 3), "expired": st.integers(0, 2),
            "state": st.sampled_from(["stored", "sent"]),
        }), max_size=6),
    st.integers(20, 130),
)  # fmt: skip
def test_heights_are_what_is_drawn_and_no_line_is_too_wide(values, width):
    before = None
    for index, each in enumerate(values):
        block = Block(each, before, index == 2)
        each["author"] = each["author"].replace(" ", "x")
        lines = block.lines(width)
        assert block.height(width) == len(lines)
        assert all(sum(cell_len(span.text) for span in line) <= width for line in lines)
        before = each


def test_a_hundred_thousand_messages_are_measured_in_a_moment():
    """Not a benchmark: it fails when a height costs what drawing costs (F11: 0.5 s to open on a calm machine)."""
    words = random.Random(4)
    texts = [" ".join("w" * words.randint(1, 9) for _ in range(words.randint(3, 40))) for _ in range(500)]
    numbers = range(20_000)
    values = [value(texts[number % 500], time=NOON + number * 70_000, member=str(number % 3)) for number in numbers]
    blocks = [Block(each, values[number - 1] if number else None, False) for number, each in enumerate(values)]
    begun = time.process_time()
    heights = sum(block.height(90) for block in blocks)
    counting = time.process_time() - begun
    begun = time.process_time()
    drawn = sum(len(block.lines(90)) for block in blocks)
    drawing = time.process_time() - begun
    assert heights == drawn
    assert counting < drawing


@pytest.mark.parametrize("ms", [-(2**63), -1, 0, NOON, 2**62])
def test_any_time_can_be_shown(ms):
    assert len(moment_of(ms)) == 16
    assert len(clock_of(ms)) == 5
    assert day_of(ms)
    assert day_number(ms) == day_number(ms)


def test_commands_messages_and_two_slashes():
    assert parse("/Invite Bo x") == ("invite", "Bo x")
    assert parse("hello") is None
    assert parse("//tmp") is None
    assert parse("/a\nb") is None
    assert message_of("//tmp") == "/tmp"
    assert message_of("tmp") == "tmp"
    assert nearest("invtie") == "invite"
    assert nearest("zzzz") == ""
    assert [command.name for command in beginning_with("le")] == ["leave"]
    assert len({command.key for command in COMMANDS if command.key}) == sum(bool(c.key) for c in COMMANDS)


def test_the_audience_is_always_told_and_a_narrow_screen_promises_no_more():
    assert audience(3, 80).startswith("Off the record: the 3 people here see your name with this.")
    assert "One leaked copy proves nothing" in audience(3, 80)
    assert "are evidence" in audience(3, 80)
    assert len(audience(9, 40)) <= 2 * 38
    assert "may" in audience(3, 40)
    assert "Nobody else is here yet" in audience(1, 80)


def status(**more: object) -> dict[str, object]:
    commons = {"commons": "c0", "name": "Harbour", "peers": 2, "reach": "direct", "error": "", "address": "/ip4/1"}
    return {"state": "unlocked", "commons": [{**commons, **more}], "unsent": 0, "sentence": "Fine.", "keep": False}


def test_the_status_line_is_in_words_and_says_who_sees_the_address():
    assert status_words(status(), 80) == "2 devices connected, directly: your address is visible to them"
    assert status_words(status(peers=0), 80).startswith("Nobody reachable")
    assert "It is full." in status_words(status(error="It is full."), 80)
    assert status_words({**status(), "unsent": 3, "keep": True}, 120).endswith("3 not sent yet · keeps receiving")
    assert status_words({"state": "unlocked", "commons": []}, 80) == "In no community yet"
    assert status_words({"state": "locked"}, 80) == "Locked."
    assert status_words(status(), 40) == "2 connected, see your address"
    assert status_words({**status(), "unsent": 3}, 40) == "2 connected, see your address …"
    assert status_words({**status(peers=0), "unsent": 3, "keep": True}, 40) == "Nobody reachable · 3 unsent · stays on"
    full = {**status(peers=0, error="The disk is full. Make room."), "unsent": 12, "keep": True}
    assert status_words(full, 40) == "Nobody reachable · trouble: /status …"
    assert "see each other's network address" in " ".join(status_lines(status()))


def test_members_and_joins_in_words():
    assert member_words({"nick": "Ana", "me": True, "facilitator": True, "status": "in"}) == ("Ana", "you, facilitator")
    assert member_words({"nick": "Bo", "told_by": "Ruth", "status": "removed"}) == (
        "Bo", "removed, unchecked, as told by Ruth",
    )  # fmt: skip
    assert member_words({"nick": "Leo", "checked": True, "forked": True}) == (
        "Leo", "signed two different things under one number",
    )  # fmt: skip
    assert join_words({"state": "knocked", "inviter": "Ruth"}).startswith("Knocked. Ruth's device admits you")
    assert join_words({"state": "looking"}).startswith("Looking for the community")
    assert join_words({"state": "refused", "inviter": "Ruth"}) == "Ruth did not let you in."
    assert join_words({"state": "refused", "problem": "Used up."}) == "Used up."


@pytest.mark.parametrize(("length", "size"), [(96, (37, 19)), (154, (41, 21)), (194, (45, 23))])
def test_the_longest_invites_qr_fits_80x24(length, size):
    lines = qr_lines(("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 7)[:length])
    assert (len(lines[0]), len(lines)) == size
    assert all(len(line) == size[0] for line in lines)
    assert size[0] + 30 <= 80
    assert size[1] <= 24


def test_a_qr_says_what_it_was_made_of():
    """Read back with the library's own matrix: light modules are ink, the quiet zone is light."""
    import segno

    text = "AEAQK7F9"
    lines = qr_lines(text)
    ink = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    rows = [[ink[cell][half] for cell in line] for line in lines for half in (0, 1)]
    matrix = [list(line) for line in segno.make(text, error="l", micro=False, boost_error=False).matrix_iter(border=2)]
    assert [[1 - dark for dark in line] for line in matrix] == rows[: len(matrix)]


@pytest.mark.parametrize("text", ["", "7", "0d", "-1d", "1y", "1.5h", "99999999d", "d"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(LocalError):
        minutes(text)


def test_roles_have_a_style_each():
    from pathlib import Path

    import tertulia.tui

    css = (Path(tertulia.tui.__file__).parent / "app.tcss").read_text()
    assert all(f".messages--{role}" in css for role in Role)
