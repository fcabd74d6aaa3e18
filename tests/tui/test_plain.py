import os
import select
import subprocess
import sys
import time

import pytest
from fake_node import NUMBER, NodeThread, populated

NASTY = "evil\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b\u202e\nYou: forged"


class Sitting:
    """The plain client with its stdin and stdout as pipes."""

    def __init__(self, home) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from tertulia.tui.cli import main; main()", "--plain"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "TERTULIA_HOME": str(home)}, start_new_session=True,
        )  # fmt: skip
        self.seen: list[str] = []
        self.rest = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
        self.process.kill()
        self.process.wait()

    def types(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hears(self, words: str) -> str:
        deadline = time.monotonic() + 10
        while True:
            while "\n" in self.rest:
                line, _, self.rest = self.rest.partition("\n")
                self.seen.append(line + "\n")
                if words in line:
                    return line + "\n"
            assert time.monotonic() < deadline, self.seen
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                assert data, self.seen
                self.rest += data.decode()


@pytest.fixture
def node(tmp_path):
    with NodeThread(lambda: populated(tmp_path / "main")) as node:
        yield node


def follows_messages(node) -> None:
    """Wait until the client follows the messages: what is there before it does is history, read with /read."""
    deadline = time.monotonic() + 10
    while not any(one.watch.view == "messages" for all_ in list(node.clients.values()) for one in list(all_.values())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_sitting_line_by_line(tmp_path, node):
    talk = next(iter(node.talks.values()))
    with Sitting(tmp_path) as at:
        at.hears("/help lists the commands")
        assert "2 people" in at.hears("Off the record")
        follows_messages(node)
        node.loop.call_soon_threadsafe(node.hear, talk, "Ruth", "Good evening")
        assert at.hears("Good evening") == "[Water treaty] Ruth: Good evening\n"
        at.types("I am here")
        assert at.hears("I am here") == "[Water treaty] You: I am here\n"
        at.types("//etc is a folder")
        assert at.hears("folder") == "[Water treaty] You: /etc is a folder\n"
        at.types("/people")
        assert at.hears("Ruth: facilitator") == "Ruth: facilitator, unchecked: compare 1234 5678 9012 3456 7890\n"
        at.types("/check Ruth")
        at.hears("Checked: you compared codes")
        at.types("/people")
        assert at.hears("Ruth: facilitator") == "Ruth: facilitator\n"
        at.types("/invite")
        at.hears("AEAQ")
        at.types("/new Harbour walk")
        at.hears("has begun")
        at.types("/dialogues")
        at.hears("2: Water treaty")
        at.types("/open Harbour walk")
        at.hears("Open: Harbour walk, 1 person")
        at.types("/open 7")
        at.hears("No dialogues are called that")
        at.types("/opne 2")
        at.hears("Did you mean /open?")
        at.types("/status")
        at.hears("Nothing of yours waits to be sent" if not node.do_status()["unsent"] else "not sent yet")
        at.types("/clock")
        at.hears("The clock is taken for right")
        at.types("/quit")
        at.hears("The node locks and ends now.")
        assert at.process.wait(10) == 0


def test_the_door_in_plain(tmp_path, node):
    talk = next(iter(node.talks.values()))
    with Sitting(tmp_path) as at:
        at.hears("Open: Water treaty")
        node.loop.call_soon_threadsafe(node.knock, talk, "Bo")
        at.hears("Bo asks to join “Water treaty”. Code 4821 7733. /admit or /refuse")
        at.types("/admit")
        at.hears("Bo: admitted.")
        at.types("/knocks")
        at.hears("Nobody asks to join")
        node.admits_at_once = False
        at.types("/join AEAQ")
        at.hears("Knocked. Ruth's device admits you")
        node.loop.call_soon_threadsafe(node.admit_me, node.joins[0]["join"])
        at.hears("Open: Water treaty, 2 people")
        at.types("/join nonsense")
        at.hears("This is not an invite.")


def test_a_peers_text_acts_on_nothing_and_forges_no_line(tmp_path, node):
    talk = next(iter(node.talks.values()))
    with Sitting(tmp_path) as at:
        at.hears("Open: Water treaty")
        follows_messages(node)
        node.loop.call_soon_threadsafe(node.hear, talk, "Ruth", NASTY)
        at.hears("forged")
        assert at.seen[-1] == "[Water treaty] Ruth: You: forged\n"
        assert not set("".join(at.seen)) & set("\x1b\x07\x9b\u202e")


def test_the_end_of_stdin_ends_the_sitting(tmp_path, node):
    with Sitting(tmp_path) as at:
        at.hears("Open: Water treaty")
        at.process.stdin.close()
        assert at.process.wait(10) == 0


def test_a_node_that_dies_is_said(tmp_path, node):
    with Sitting(tmp_path) as at:
        at.hears("Open: Water treaty")
        node.loop.call_soon_threadsafe(node.ended.set)
        at.hears("The node has stopped.")


def test_lines_come_from_a_file_too(tmp_path, node):
    (tmp_path / "lines").write_text("hello from a file\n/quit")
    with (tmp_path / "lines").open() as lines:
        done = subprocess.run(
            [sys.executable, "-c", "from tertulia.tui.cli import main; main()", "--plain"],
            stdin=lines, capture_output=True, text=True, check=True, timeout=20,
            env={**os.environ, "TERTULIA_HOME": str(tmp_path)},
        )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert [call for call in node.calls if call[0] == "say"]


def test_who_people_are_line_by_line(tmp_path, node):
    ruth = next(iter(node.talks.values())).members[1]
    with Sitting(tmp_path) as at:
        at.hears("Open: Water treaty")
        at.types("/contacts")
        at.hears("You keep nobody yet.")
        at.types("/reveal Ruth")
        at.hears("It cannot be taken back. /reveal yes and a name does it")
        at.types("/reveal yes Ruth")
        at.hears("Shown. They learn who you are")
        at.types("/reveal yes all")
        at.hears("already")
        ruth.update(identity="changed", number=NUMBER, changed="Another device.")
        at.types("/verify Ruth")
        at.hears("Another device.")
        at.hears(f"Safety number: {NUMBER}. Compare it")
        at.types("/same Ruth")
        at.hears("Verified.")
        at.types("/keep Ruth")
        at.hears("Kept as Ruth. Only you see that name.")
        at.types("/talk ruth")
        at.hears("“Ana & Ruth”: /open it. An invite for them alone")
        at.types("/accept Ruth")
        at.hears("Nobody by that name invites you")
        node.contacts[0]["offers"] = [{"offer": "0f", "title": "Visas", "invite": "AEAQABC", "time": 1}]
        at.types("/contacts")
        at.hears("Ruth: not verified, invites you to “Visas”")
        at.types("/accept Ruth")
        at.hears("Joining “Visas”.")
        at.types("/quit")
