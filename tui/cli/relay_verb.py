"""`tertulia relay …`: another program of this Python takes over, with the words that follow.

docs/guide/relay.md, DESIGN §2 (the face never imports what it starts). A relay is no part of a profile: it has a folder
of its own, and no passphrase. Words that begin with `relay` are handed over unread, so that --help is the relay's own.
"""

import os
from collections.abc import Sequence
from typing import Annotated, NoReturn

from cyclopts import Parameter

from tertulia.tui.cli.context import Context
from tertulia.tui.launch import RELAY_COMMAND


def relay(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    context: Annotated[Context, Parameter(parse=False)],
) -> int:
    """Run a relay for communities: tertulia relay --help lists its verbs."""
    hand_over([*words, "--json"] if context.output.json and words else words)


def hand_over(words: Sequence[str]) -> NoReturn:
    """Become the relay's program. Raises OSError."""
    asked = [*RELAY_COMMAND, *words]
    os.execv(asked[0], asked)  # noqa: S606  the process is the relay's from here on
