"""`tertulia check FILE`: another program of this Python takes over, which needs no profile and starts no node.

docs/spec/outcome.md, DESIGN §2 (the face never imports what it starts).
"""

import os
from typing import NoReturn

from tertulia.tui.launch import CHECK_COMMAND


def hand_over_check(file: str, *, as_json: bool) -> NoReturn:
    """Become the program that checks a published outcome. Raises OSError."""
    asked = [*CHECK_COMMAND, "check", file, *(["--json"] if as_json else [])]
    os.execv(asked[0], asked)  # noqa: S606  the process is that program's from here on
