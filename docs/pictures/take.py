"""Takes the pictures of README.md: two real nodes, a real conversation between them, and what Ruth sees.

`.venv/bin/python docs/pictures/take.py` writes one PNG a picture beside this file. It needs two Debian packages:
librsvg2-bin and fonts-dejavu-core. Nothing here is imitated: the words were said by the verbs and arrived over libp2p.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tertulia.tui.app import TertuliaApp
from tertulia.tui.profile import Profile
from tertulia.tui.widgets.composer import Composer
from tertulia.tui.widgets.messages import MessageList

HERE = Path(__file__).parent
TITLE = "The square after dark"
TALK = (
    ("ruth", "Welcome, Ana. It is only us in here, and nobody's server."),
    ("ana", "Strange to type and know it stays between us. Is this it?"),
    ("ruth", "For now, yes: we talk. Before each Enter it says who will see it, and what a leak would prove."),
    ("ana", "Then let me say it plainly: the lamps in the square were switched off on purpose.\nI was there."),
    ("ruth", "Thank you for saying it here first."),
)
DRAFT = "Would you tell the others, in your own words?"
SIZES = {"conversation": (100, 26), "narrow": (40, 12)}
WIDTHS = {"conversation": "1000", "narrow": "420"}
"""Pixels."""
SECONDS = 60
CELL = 12.2
"""Units of the SVG that Textual gives to one column."""
FONT = "font-family: 'DejaVu Sans Mono'; font-size: 20.264px;"
"""The size at which this font is one CELL wide."""
TEXT = re.compile(r'(<text class="[^"]*-r\d+" )x="([\d.]+)"( y="[\d.]+") textLength="[\d.]+"([^>]*>)((?:&#160;)*)')


class Citizens:
    """Two profiles on this machine, spoken to by the verbs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._passphrase = home / "passphrase"
        self._passphrase.write_text("for a picture\n", encoding="utf-8")
        self._passphrase.chmod(0o600)

    def do(self, name: str, *arguments: str, words: str = "") -> dict[str, str]:
        """Run a verb as this citizen and give its result. Raises CalledProcessError."""
        common = ("--json", "--profile", name, "--passphrase-file", str(self._passphrase))
        command = [sys.executable, "-c", "from tertulia.tui.cli import main; main()", *arguments, *common]
        environment = {**os.environ, "TERTULIA_HOME": str(self.home)}
        done = subprocess.run(command, env=environment, input=words, capture_output=True, text=True, check=True)
        result: dict[str, str] = json.loads(done.stdout)
        return result

    def meet(self) -> None:
        """Ruth founds, Ana joins, they talk."""
        for name, nick in (("ruth", "Ruth"), ("ana", "Ana")):
            self.do(name, "init", "--nick", nick, "--kdf-mib", "8", "--kdf-ops", "1")
            self.do(name, "unlock", "--keep")
        self.do("ruth", "commons", "new", "Casa de la plaza", "--listen", "/ip4/127.0.0.1/tcp/0", "--yes")
        self.do("ruth", "new", TITLE)
        self.do("ana", "join", self.do("ruth", "invite", TITLE, "--wait", "0")["invite"])
        for name, words in TALK:
            self.do(name, "say", TITLE, words=words)

    def part(self) -> None:
        """End both nodes."""
        for name in ("ruth", "ana"):
            self.do(name, "stop")


async def photograph(home: Path, name: str, size: tuple[int, int]) -> None:
    """Open the interface on Ruth's profile and write what it shows."""
    app = TertuliaApp(Profile(home, "ruth"))
    async with app.run_test(size=size) as pilot, asyncio.timeout(SECONDS):
        while not _shows(app):
            await pilot.pause(0.05)
        app.screen.query_one(Composer).insert(DRAFT)
        await pilot.pause(0.2)
        picture = drawable(app.export_screenshot(title="tertulia"))
    command = ["rsvg-convert", "--width", WIDTHS[name], "--output", str(HERE / f"{name}.png")]
    subprocess.run(command, input=picture, text=True, check=True)  # noqa: ASYNC221  (nothing else is waiting)


def drawable(svg: str) -> str:
    """Return Textual's SVG as librsvg draws it right: no font from the web, no text that begins with a space."""

    def moved(text: re.Match[str]) -> str:
        begin, x, y, rest, spaces = text.groups()
        return f'{begin}x="{float(x) + CELL * spaces.count(";"):.1f}"{y}{rest}'

    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return TEXT.sub(moved, re.sub(r"font-family: Fira Code, monospace;\s*font-size: 20px;", FONT, svg))


def _shows(app: TertuliaApp) -> bool:
    """Whether the last words are on the screen."""
    return bool(app.screen.query(MessageList)) and TALK[-1][1] in "".join(
        strip.text for strip in app.screen._compositor.render_strips()  # noqa: SLF001  (what is drawn, not what is meant)
    )


def main() -> None:
    """Take every picture."""
    with tempfile.TemporaryDirectory() as folder:
        citizens = Citizens(Path(folder))
        try:
            citizens.meet()
            for name, size in SIZES.items():
                asyncio.run(photograph(citizens.home, name, size))
        finally:
            citizens.part()


if __name__ == "__main__":
    main()
