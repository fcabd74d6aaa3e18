"""A real terminal (tmux) with Tertulia in it: keys in, screen out, nothing imitated."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 40.0
COMMAND = Path(sys.executable).parent / "tertulia"


class Terminal:
    """One tmux session of its own server, so that nobody else's is touched."""

    def __init__(self, folder: Path, name: str, profile: str, width: int = 80, height: int = 24) -> None:
        self.socket = str(folder / f"{name}.tmux")
        self.folder = folder
        environment = {**os.environ, "TERTULIA_HOME": str(folder), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        words = f"{COMMAND} --profile {profile}; echo ended with $?; exec cat"
        self._run("new-session", "-d", "-x", str(width), "-y", str(height), words, env=environment)

    def _run(self, *words: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-S", self.socket, "-f", "/dev/null", *words],
            env=env, capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        return done.stdout

    @property
    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def shows(self, *texts: str, seconds: float = PATIENCE) -> str:
        """Wait until the screen shows all of these; gives the screen."""
        end = time.monotonic() + seconds
        while True:
            screen = self.screen
            if all(text in screen for text in texts):
                return screen
            if time.monotonic() > end:
                raise AssertionError(f"never shown together: {texts}\n{screen}")
            time.sleep(0.05)

    def types(self, text: str, *keys: str) -> None:
        if text:
            self._run("send-keys", "-l", text)
        for key in keys:
            self._run("send-keys", key)

    def modes(self) -> str:
        """Alternate screen, cursor, mouse: 0 1 0 on a clean terminal."""
        return self._run("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").strip()

    def resize(self, width: int, height: int) -> None:
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def pid(self) -> int:
        """The process of the interface itself."""
        shell = self._run("display-message", "-p", "#{pane_pid}").strip()
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text(encoding="ascii").split()
        return int(children[0])

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, timeout=20, check=False)
