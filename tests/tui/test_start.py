"""What the command loads before it does anything, and that nothing is lost by loading less."""

import os
import pty
import sys

import pytest

PROGRAM = """
import sys
import tertulia.tui.app as interface

def run_app(profile):
    {act}

interface.run_app = run_app
from tertulia.tui.cli import main
main()
"""


def on_terminal(home, act: str, *arguments: str) -> tuple[str, int]:
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERTULIA_HOME": str(home)}
        os.execve(sys.executable, [sys.executable, "-c", PROGRAM.format(act=act), *arguments], environment)
    seen = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(terminal)
    return seen.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


ASK = "print('with' if 'cyclopts' in sys.modules else 'without', 'verbs for', profile.name); return 7"


@pytest.mark.parametrize(("arguments", "words"), [
    ((), "without verbs for main"), (("--profile", "other"), "with verbs for other"),
])  # fmt: skip
def test_the_interface_alone_opens_without_the_verbs(tmp_path, arguments, words):
    seen, code = on_terminal(tmp_path, ASK, *arguments)
    assert words in seen
    assert code == 7


@pytest.mark.parametrize(("act", "words", "code"), [
    ("raise OSError(28, 'No space left on device')", "The system refused: no space left on device.", 1),
    ("raise KeyboardInterrupt", "Interrupted.", 130),
])  # fmt: skip
def test_what_goes_wrong_in_it_is_a_sentence(tmp_path, act, words, code):
    seen, ended = on_terminal(tmp_path, act)
    assert words in seen
    assert "Traceback" not in seen
    assert ended == code
