import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from fake_node import FakeNode, NodeThread, populated

from tertulia.tui.cli.command import run
from tertulia.tui.duration import in_words, minutes

NASTY = "hi\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\u202eevil"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TERTULIA_HOME", str(tmp_path))
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield tmp_path


@pytest.fixture
def passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text("correct horse\nsecond line\n")
    path.chmod(0o600)
    return str(path)


def spoken(capsys, *arguments: str, code: int = 0) -> dict:
    assert run([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_from_nobody_to_a_first_word_by_verbs_alone(home, passphrase, capsys):
    with NodeThread(lambda: FakeNode(home / "main")) as node:
        before = spoken(capsys, "new", "Water treaty", code=1)
        assert "init" in before["next"]
        made = spoken(
            capsys, "init", "--nick", "Ana", "--passphrase-file", passphrase, "--kdf-mib", "8", "--kdf-ops", "1"
        )
        assert made == {"nick": "Ana", "kdf": {"mib": 8, "ops": 1, "seconds": 1}}
        assert node.passphrase == "correct horse"
        again = spoken(capsys, "init", "--nick", "Eve", code=1)
        assert "already" in again["error"]
        commons = spoken(capsys, "commons", "new", "Harbour", "--yes")
        assert commons["address"] == "/ip4/192.168.1.7/tcp/41234"
        dialogue = spoken(capsys, "new", "Water treaty")
        assert dialogue["state"] == "stored"  # connected, but nobody else is in the dialogue
        invite = spoken(capsys, "invite", dialogue["dialogue"], "--uses", "3", "--expires", "2h", "--ask")
        asked = {"dialogue": dialogue["dialogue"], "uses": 3, "expires_minutes": 120, "ask": True}
        assert ("invite", asked) in node.calls
        assert invite["invite"].startswith("AEAQ")
        assert spoken(capsys, "say", "Water treaty", "Good evening")["state"] == "stored"
        messages = spoken(capsys, "read", "Water treaty")["messages"]
        assert [(m["author"], m["text"], m["grade"]) for m in messages] == [("Ana", "Good evening", "off the record")]
        assert spoken(capsys, "commons", "list")["commons"][0]["name"] == "Harbour"
        assert spoken(capsys, "commons", "ticket")["ticket"].startswith("RELAY:")
        assert spoken(capsys, "list")["dialogues"][0]["title"] == "Water treaty"
        assert spoken(capsys, "status")["state"] == "unlocked"


def test_a_locked_profile_is_unlocked_with_the_file_and_stays_locked_with_a_wrong_one(home, passphrase, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        node.state = "locked"
        Path(passphrase).write_text("wrong\n")
        wrong = spoken(capsys, "members", "Water treaty", "--passphrase-file", passphrase, code=1)
        assert wrong == {"error": "This is not the passphrase.", "safe": "Nothing was changed.", "next": "Try again."}
        assert node.state == "locked"
        Path(passphrase).write_text("correct horse")
        members = spoken(capsys, "members", "Water treaty", "--passphrase-file", passphrase)["members"]
        assert [member["nick"] for member in members] == ["Ana", "Ruth"]


def test_without_a_terminal_nothing_is_asked_and_the_sentence_says_what_to_do(home):
    """In a session of its own, so that no terminal can be found."""
    with NodeThread(lambda: populated(home / "main")) as node:
        node.state = "locked"

        def verb(*arguments: str) -> dict:
            done = subprocess.run(
                [sys.executable, "-c", "from tertulia.tui.cli import main; main()", *arguments, "--json"],
                check=False, capture_output=True, text=True, start_new_session=True,
                stdin=subprocess.DEVNULL, timeout=20,
            )  # fmt: skip
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            return json.loads(done.stdout)

        assert "--passphrase-file" in verb("list")["next"]
        node.state = "unlocked"
        refused = verb("commons", "new", "Harbour")
        assert "--yes" in refused["next"]
        assert len(node.commons) == 1
        assert "terminal" in verb()["error"]
        assert verb("say", "Water treaty")["error"] == "There is nothing to say."
        assert verb("join")["error"] == "There is no invite to join with."


def test_stored_is_said_when_nobody_is_reachable(home, capsys):
    with NodeThread(lambda: populated(home / "main", peers=0)):
        assert run(["invite", "Water treaty", "--json"]) == 0
        out = capsys.readouterr()
        assert json.loads(out.out)["state"] == "stored"
        assert "nobody of the community is reachable yet. Waiting up to 30 s" in out.err
        assert run(["say", "Water treaty", "hello", "--wait", "0"]) == 0
        out = capsys.readouterr()
        assert "Stored on this machine" in out.out
        assert "Waiting" not in out.err
        assert "history" in out.err


def test_nothing_is_called_sent_that_nobody_else_was_there_for(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        said = spoken(capsys, "say", "Water treaty", "hello")
        assert said["state"] == "sent"
        node.add_talk("Monologue")
        assert run(["say", "Monologue", "is anybody there?"]) == 0
        assert run(["leave", "Monologue"]) == 0
        out = capsys.readouterr().out
        assert "Sent" not in out
        assert out.count("On this machine only: nobody else is in the dialogue.") == 2
        assert run(["read", "Monologue"]) == 0
        assert "on this machine only: nobody else was here" in capsys.readouterr().out


def test_delivery_is_told_in_words(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        told = {"members": 1, "received": [], "waiting": ["Ruth"], "mine": True, "peers": 0}
        words = {
            "Only here": ({"state": "stored"}, "On this machine only; it is sent when others are reachable."),
            "Alone": ({"state": "stored", "alone": True, "members": 0, "waiting": []}, "so it goes to nobody."),
            "Held": ({"state": "sent", "peers": 2}, "Sent. Held by 2 other machines, counted since"),
            "Come": ({"state": "sent", "peers": 1, "received": ["Ruth"], "waiting": []}, "Received by 1 of 1: Ruth."),
        }
        for text, (row, words_of_it) in words.items():
            node.delivered = {**told, **row}
            assert run(["delivery", "e000"]) == 0, text
            out = capsys.readouterr().out
            assert words_of_it in out, text
            assert ("Received" in out) is (node.delivered["members"] > 0), text


def test_panic_destroys_only_when_it_is_said_twice(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        refused = spoken(capsys, "panic", code=1)
        assert refused["error"] == "Nothing was destroyed."
        assert ("panic", {}) not in node.calls
        assert spoken(capsys, "panic", "--yes") == {"state": "new"}
        assert ("panic", {}) in node.calls


def test_a_clock_in_doubt_is_told_and_confirmed(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        node.clock = {"shows": 1_900_000_000_000, "known": 1_795_360_440_000, "agree": 0}
        assert run(["clock"]) == 0
        told = capsys.readouterr().out
        assert "2030-03-17" in told
        assert "2026-11-22" in told
        assert ("clock.confirm", {}) not in node.calls
        assert run(["status"]) == 0
        assert "nothing is erased for its age" in capsys.readouterr().out
        assert spoken(capsys, "clock", "confirm") == {"clock": {}}
        assert run(["clock"]) == 0
        assert "not in doubt" in capsys.readouterr().out


def test_a_message_comes_from_stdin_without_a_warning(home, capsys, monkeypatch, tmp_path):
    (tmp_path / "text").write_text("two\nlines\n")
    with NodeThread(lambda: populated(home / "main")) as node, (tmp_path / "text").open() as text:
        monkeypatch.setattr("sys.stdin", text)
        assert run(["say", "Water treaty"]) == 0
        assert capsys.readouterr().err == ""
        assert ("say", {"dialogue": "Water treaty", "text": "two\nlines"}) in node.calls


def test_joining_says_admitted_or_knocked(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        joined = spoken(capsys, "join", "AEAQK7F9", "--nick", "Bo")
        assert joined["state"] == "admitted"
        assert joined["dialogue"]
        node.admits_at_once = False
        knocked = spoken(capsys, "join", "AEAQK7F9", "--wait", "0")
        assert knocked["state"] == "knocked"
        assert run(["join", "AEAQK7F9", "--wait", "0"]) == 0
        assert "when it is next online" in capsys.readouterr().out
        assert "not an invite" in spoken(capsys, "join", "hello", code=1)["error"]


def test_a_refusal_says_which_and_an_unreached_community_is_no_knock(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        node.instead_of_admitting = {"state": "refused", "problem": "This invite has been used as often as it allows."}
        refused = spoken(capsys, "join", "AEAQK7F9", code=1)
        assert refused["error"] == "This invite has been used as often as it allows."
        assert "new invite" in refused["next"]
        node.instead_of_admitting = {"state": "looking"}
        assert run(["join", "AEAQK7F9", "--wait", "0"]) == 0
        assert "could be reached yet" in capsys.readouterr().out
        node.instead_of_admitting = {"state": "looking", "problem": "Another community answers at its address."}
        assert run(["join", "AEAQK7F9", "--wait", "0"]) == 0
        assert "Not in yet. Another community answers" in capsys.readouterr().out


def test_the_door(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        talk = next(iter(node.talks.values()))
        for nick in ("Bo", "Eve"):
            node.knocks.append({
                "knock": nick.lower().encode().hex().ljust(64, "0"), "dialogue": talk.id, "title": talk.title,
                "nick": nick, "code": "12 34", "time": 0, "state": "waiting",
            })  # fmt: skip
        assert [row["nick"] for row in spoken(capsys, "knocks")["knocks"]] == ["Bo", "Eve"]
        assert run(["knocks"]) == 0
        assert "Bo asks to join" in capsys.readouterr().out
        assert "No knock" in spoken(capsys, "admit", "ffff", code=1)["error"]
        assert spoken(capsys, "admit", b"bo".hex())["decision"] == "admitted"
        assert spoken(capsys, "refuse", b"eve".hex())["state"] == "sent"
        assert [member["nick"] for member in talk.members] == ["Ana", "Ruth", "Bo"]
        assert spoken(capsys, "remove", "Water treaty", "Bo")["result"] == "removed"
        assert spoken(capsys, "remove", "Water treaty", "Zoe", code=1)["error"] == "Nobody here is called “Zoe”."
        assert spoken(capsys, "leave", "Water treaty")["result"] == "left"


def test_the_rules_are_chosen_read_and_accepted(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        spoken(capsys, "new", "Visas", "--track", "1.5", "--langs", "en, ti", "--keep", "30d", "--simulation")
        assert ("dialogue.new", {
            "title": "Visas", "track": "1.5", "languages": ["en", "ti"], "keep": 30, "simulation": True,
        }) in node.calls  # fmt: skip
        assert spoken(capsys, "new", "Visas", "--track", "2", "--keep", "soon", code=1)["next"].startswith("Write")
        assert run(["charter", "Water treaty"]) == 0
        shown = capsys.readouterr().out
        assert "Members see names." in shown
        assert "Guidelines: Speak for yourself." in shown
        assert "You have not accepted these rules yet" in shown
        assert spoken(capsys, "accept", "Water treaty", "--yes")["accepted"] is True
        assert "already" in spoken(capsys, "accept", "Water treaty", code=1)["error"]
        assert run(["charter", "Water treaty"]) == 0
        assert "You have accepted these rules." in capsys.readouterr().out


def test_the_council(home, capsys):
    with NodeThread(lambda: populated(home / "main")):
        assert run(["acts", "Water treaty"]) == 0
        assert "Nothing was proposed." in capsys.readouterr().out
        proposed = spoken(capsys, "role", "Water treaty", "Ruth", "facilitator")
        assert proposed["result"] == "pending"
        assert run(["acts", "Water treaty"]) == 0
        assert "make Ruth a facilitator  (1 of 2 have signed; signed by Ana)" in capsys.readouterr().out
        assert spoken(capsys, "cosign", "Water treaty", proposed["act"][:8])["result"] == "done"
        assert run(["acts", "Water treaty"]) == 0
        assert "(done; signed by Ana, Ruth)" in capsys.readouterr().out
        assert spoken(capsys, "act", "Water treaty", "pause", "--reason", "Lunch.")["result"] == "done"
        assert spoken(capsys, "act", "Water treaty", "mute", "Ruth", "--reason", "Insults.")["result"] == "done"
        spoken(capsys, "act", "Water treaty", "fold", "abcdef0123", "--reason", "Names somebody.")
        spoken(capsys, "act", "Water treaty", "round", "--reason", "Check-in", "--window", "72h")
        assert run(["acts", "Water treaty"]) == 0
        shown = capsys.readouterr().out
        for line in ("pause the room: Lunch.", "mute Ruth: Insults.", "fold message abcdef01: Names somebody.",
                     "open a round: Check-in"):  # fmt: skip
            assert line in shown


def test_what_is_folded_is_shown_by_its_reason(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        node.add_message(next(iter(node.talks.values())), "Ruth", "You fool", folded="An insult.")
        assert run(["read", "Water treaty", "--last", "1"]) == 0
        shown = capsys.readouterr().out
        assert "(folded by the facilitators: An insult.)" in shown
        assert "You fool" not in shown


def test_a_peers_text_reaches_the_terminal_without_anything_that_acts(home, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        talk = next(iter(node.talks.values()))
        talk.title = NASTY
        talk.members[1]["nick"] = NASTY
        node.add_message(talk, NASTY, NASTY + "\nYou · forged line")
        node.add_message(talk, "Ruth", "late", late=True, gap=True, time=2**62)
        node.add_message(talk, "Ruth", "", lost=1, expired=30)
        for verb in (["read", talk.id], ["members", talk.id], ["list"], ["status"]):
            assert run(verb) == 0
            out = capsys.readouterr()
            assert not set(out.out + out.err) & set("\x1b\x07\x9b\u202e"), verb
        run(["read", talk.id])
        out = capsys.readouterr().out
        assert "\n    You · forged line" in out
        assert "arrived late" in out
        assert "(Some messages before this one are missing; your device asks the others for them.)\n" in out
        assert "(1 message before this is lost: nobody who is here has it.)\n" in out
        assert "(its text was kept for 30 days)\n" in out
        assert run(["read", talk.id, "--json"]) == 0
        assert capsys.readouterr().out.isascii()


def test_read_follow_streams_json_lines_until_the_node_ends(home):
    with NodeThread(lambda: populated(home / "main")) as node:
        talk = next(iter(node.talks.values()))
        node.add_message(talk, "Ruth", "one")
        process = subprocess.Popen(
            [sys.executable, "-c", "from tertulia.tui.cli import main; main()", "read", "Water", "--follow", "--json"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        wrong, _ = process.communicate(timeout=20)
        assert "No dialogue" in json.loads(wrong)["error"]
        process = subprocess.Popen(
            [sys.executable, "-c", "from tertulia.tui.cli import main; main()", "read", talk.id, "--follow", "--json"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["text"] == "one"
        node.loop.call_soon_threadsafe(node.hear, talk, "Ruth", "two")
        assert json.loads(process.stdout.readline())["text"] == "two"
        node.loop.call_soon_threadsafe(node.ended.set)
        assert json.loads(process.stdout.readline())["error"] == "The node has stopped."
        assert process.wait(20) == 1
        process.stdout.close()


def test_lock_stop_and_unlock_tell_the_state(home, passphrase, capsys):
    assert spoken(capsys, "lock") == {"state": "locked"}
    assert spoken(capsys, "stop") == {"state": "stopped"}
    with NodeThread(lambda: populated(home / "main")) as node:
        assert spoken(capsys, "lock")["state"] == "locked"
        assert spoken(capsys, "unlock", "--passphrase-file", passphrase) == {"state": "locked", "keep": False}
        node.state = "locked"
        kept = spoken(capsys, "unlock", "--keep", "--passphrase-file", passphrase)
        assert kept == {"state": "unlocked", "keep": True}
        assert "already running" in spoken(capsys, "node", code=1)["error"]
        assert spoken(capsys, "stop")["state"] == "stopped"


def test_what_is_not_understood_is_three_sentences_and_exit_code_2_or_1(home, capsys):
    assert spoken(capsys, "sya", code=1)["next"].startswith("Did you mean say?")
    assert "requires" in spoken(capsys, "say", code=2)["error"]
    assert "--nope" in spoken(capsys, "say", "x", "--nope", code=2)["error"]
    assert "profile" in spoken(capsys, "status", "--profile", "../x", code=1)["error"]
    assert "range" in spoken(capsys, "status", "--wait", "-1", code=1)["error"]
    assert "not a time" in spoken(capsys, "invite", "x", "--expires", "7", code=1)["error"]
    assert run(["sya"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_text_that_is_no_text_is_refused(home, capsys):
    with NodeThread(lambda: populated(home / "main")):
        assert "broken" in spoken(capsys, "say", "Water treaty", "\udcff", code=1)["error"]


def test_a_passphrase_file_must_be_readable_and_private(home, passphrase, capsys):
    with NodeThread(lambda: populated(home / "main")) as node:
        node.state = "locked"
        assert "cannot be read" in spoken(capsys, "list", "--passphrase-file", str(home / "none"), code=1)["error"]
        Path(passphrase).chmod(0o644)
        assert run(["list", "--passphrase-file", passphrase]) == 0
        assert "chmod 600" in capsys.readouterr().err


def test_an_invite_on_a_terminal_shows_its_qr_and_asks_the_terminal_for_the_passphrase(home):
    with NodeThread(lambda: populated(home / "main")) as node:
        node.state = "locked"
        seen, status = on_terminal(
            ["invite", "Water treaty"], [(b"Passphrase:", b"correct horse\n")], {"TERTULIA_HOME": str(home)}
        )
        assert status == 0
        assert "█▀▀" in seen or "▀█▀" in seen
        assert "AEAQK7F9" in seen
        assert "for 7 days" in seen
        assert "correct horse" not in seen


def on_terminal(arguments: list[str], talk: list[tuple[bytes, bytes]], more: dict[str, str]) -> tuple[str, int]:
    """Run the command on a terminal of 80x24; each time the first text is seen, type the second."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(more, TERM="xterm-256color", COLUMNS="80", LINES="24")
        os.execv(sys.executable, [sys.executable, "-c", "from tertulia.tui.cli import main; main()", *arguments])
    seen = b""
    waiting = list(talk)
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
        if waiting and waiting[0][0] in seen:
            os.write(terminal, waiting.pop(0)[1])
    os.close(terminal)
    return seen.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(("text", "count", "words"), [
    ("30m", 30, "30 minutes"), ("12h", 720, "12 hours"), ("1d", 1440, "1 day"), ("2W", 20160, "14 days"),
    (" 90 m ", 90, "90 minutes"),
])  # fmt: skip
def test_durations(text, count, words):
    assert minutes(text) == count
    assert in_words(count) == words
