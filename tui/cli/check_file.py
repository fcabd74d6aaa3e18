"""`tertulia check FILE`, `tertulia outcome page FILE`: another program of this Python takes over, without a profile.

docs/spec/outcome.md, DESIGN §2 (the face never imports what it starts).
"""

import os
from typing import NoReturn

from tertulia.tui.launch import CHECK_COMMAND


def hand_over_check(file: str, *, as_json: bool) -> NoReturn:
    """Become the program that checks a published outcome. Raises OSError."""
    _become(["check", file], as_json=as_json)


def hand_over_page(file: str, page: str, *, as_json: bool) -> NoReturn:
    """Become the program that puts a published outcome on a page. Raises OSError."""
    _become(["page", file, page], as_json=as_json)


def _become(words: list[str], *, as_json: bool) -> NoReturn:
    asked = [*CHECK_COMMAND, *words, *(["--json"] if as_json else [])]
    os.execv(asked[0], asked)  # noqa: S606  the process is that program's from here on
