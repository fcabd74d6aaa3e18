"""The interface on a real terminal: what it leaves behind however it ends."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest
from fake_node import NodeThread, populated

COMMAND = "from tertulia.tui.cli import main; main()"


class Terminal:
    """A pseudo-terminal of 80x24 with the interface in it."""

    def __init__(self, home: Path, program: str = COMMAND) -> None:
        self.seen = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERTULIA_HOME=str(home), TERM="xterm-256color")
            os.environ.pop("NO_COLOR", None)
            os.execv(sys.executable, [sys.executable, "-c", program])
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read(self, seconds: float) -> bool:
        """Take what comes within this time; whether the terminal is still open."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def until(self, words: bytes) -> None:
        deadline = time.monotonic() + 15
        while words not in self.seen:
            assert time.monotonic() < deadline, self.seen[-2000:]
            assert self.read(0.1), self.seen[-2000:]

    def end(self) -> int:
        """Read to the end and give the exit code."""
        deadline = time.monotonic() + 15
        while self.read(0.1):
            assert time.monotonic() < deadline, self.seen[-2000:]
        os.close(self.master)
        return self.wait()

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def modes_left_on(self) -> list[bytes]:
        """Private modes switched on and not off again: alternate screen, mouse, paste; and a hidden cursor."""
        modes: dict[bytes, bool] = {}
        for part in self.seen.split(b"\x1b[?")[1:]:
            number = part[: min((part.find(end) for end in (b"h", b"l") if end in part), default=0)]
            if number.isdigit():
                modes[number] = part[len(number) : len(number) + 1] == b"h"
        left = [number for number, on in modes.items() if on and number not in {b"25", b"7", b"2026"}]
        return left + ([b"25"] if modes.get(b"25") is False else [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(tmp_path, number):
    with NodeThread(lambda: populated(tmp_path / "main")):
        terminal = Terminal(tmp_path)
        terminal.until(b"rite here. Enter sends")
        assert b"1049" in b" ".join(terminal.modes_left_on())
        os.kill(terminal.pid, number)
        assert terminal.end() == 0
        assert terminal.modes_left_on() == []
        assert b"The interface has ended." in terminal.seen
        assert b"Traceback" not in terminal.seen


def test_quitting_by_keys_says_the_last_word_on_a_clean_terminal(tmp_path):
    with NodeThread(lambda: populated(tmp_path / "main")):
        terminal = Terminal(tmp_path)
        terminal.until(b"rite here. Enter sends")
        os.write(terminal.master, b"\x11")
        terminal.until(b"Lock and end")
        os.write(terminal.master, b"\r")
        assert terminal.end() == 0
        assert terminal.modes_left_on() == []
        assert b"Locked. Nothing of Tertulia is running any more." in terminal.seen


def test_a_terminal_that_goes_away_ends_the_interface(tmp_path):
    with NodeThread(lambda: populated(tmp_path / "main")) as node:
        terminal = Terminal(tmp_path)
        terminal.until(b"rite here. Enter sends")
        os.close(terminal.master)
        terminal.wait()
        assert node.state == "unlocked"


COUNTING = """
import os
from pathlib import Path
from textual.drivers.linux_driver import LinuxDriver

start = LinuxDriver.start_application_mode

def counted(self):
    with Path(os.environ["TERTULIA_HOME"], "starts").open("a") as starts:
        starts.write("x")
    start(self)

LinuxDriver.start_application_mode = counted
from tertulia.tui.cli import main
main()
"""


def test_a_terminal_that_goes_away_is_not_taken_for_the_end_of_a_pause(tmp_path):
    # “Hang up” and “go on” come together. Textual would start its screen anew and may wait for ever to write to it.
    with NodeThread(lambda: populated(tmp_path / "main")):
        terminal = Terminal(tmp_path, COUNTING)
        terminal.until(b"rite here. Enter sends")
        os.kill(terminal.pid, signal.SIGSTOP)
        os.waitpid(terminal.pid, os.WUNTRACED)
        os.close(terminal.master)
        terminal.wait()
        assert (tmp_path / "starts").read_text() == "x"


FAILING = """
from tertulia.tui import app
from tertulia.tui.screens import talk
def broken(self):
    secret_words = "secret words"
    raise ValueError(secret_words)
talk.TalkScreen.action_people = broken
from tertulia.tui.cli import main
main()
"""


def test_a_mistake_of_ours_is_a_sentence_and_holds_nothing_private(tmp_path):
    with NodeThread(lambda: populated(tmp_path / "main")):
        terminal = Terminal(tmp_path, FAILING)
        terminal.until(b"rite here. Enter sends")
        os.write(terminal.master, b"\x14")
        assert terminal.end() == 1
        assert terminal.modes_left_on() == []
        assert b"The interface failed (ValueError" in terminal.seen
        assert b"secret words" not in terminal.seen
        assert b"Traceback" not in terminal.seen


def test_what_a_peer_says_reaches_a_real_terminal_without_anything_that_acts(tmp_path):
    node = populated(tmp_path / "main")
    node.add_message(next(iter(node.talks.values())), "Ruth", "start\x1b]52;c;ZXZpbA==\x07\x9b2J\u202efinish")
    with NodeThread(lambda: node):
        terminal = Terminal(tmp_path)
        terminal.until(b"finish")
        os.kill(terminal.pid, signal.SIGTERM)
        terminal.end()
        assert b"\x1b]52" not in terminal.seen
        assert "\u202e".encode() not in terminal.seen
        assert "\x9b".encode() not in terminal.seen
