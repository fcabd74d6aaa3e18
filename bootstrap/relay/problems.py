"""The sentences of a relay: what an operator can run into that is not the disk's or the protocol's.

STYLE.md habit 3: what happened, what is safe, what to do next. Invariant: no sentence holds a key or a peer's address.
"""

from __future__ import annotations

from typing import Final

from tertulia.protocol.errors import Problem

_NOTHING: Final = "Nothing was done and nothing changed."

NO_RELAY: Final = Problem(
    "There is no relay in this folder yet.",
    _NOTHING,
    "Make one: tertulia relay init (or name its folder with --folder).",
)
ALREADY: Final = Problem(
    "There is a relay in this folder already.",
    "Its identity, settings and frames were left as they are.",
    "Start it: tertulia relay run. To change a setting, edit its config.toml or use: tertulia relay quota",
)
BUSY: Final = Problem(
    "This relay is running already.",
    "It goes on undisturbed, and nothing was changed.",
    "Ask it how it is: tertulia relay status",
)
NOT_RUNNING: Final = Problem(
    "This relay is not running.", _NOTHING, "Start it (tertulia relay run, or systemctl start), then try again."
)
SILENT: Final = Problem(
    "The relay did not answer.",
    "What it had confirmed is on its disk.",
    "Wait a little and try again; its folder's node.log may say more.",
)
UNREADABLE: Final = Problem(
    "The relay's archive holds something that this release cannot read.",
    "The archive was left as it is, and nothing was sent.",
    "Install the release that wrote it, or put back a backup of the folder.",
)
MANY: Final = Problem(
    "This relay serves as many communities as it can.",
    _NOTHING,
    "Let one go (tertulia relay forget NAME), or run a second relay in another folder.",
)
NO_PEER: Final = Problem(
    "The address of another relay ends in /p2p/ and its PeerId, and this one does not.",
    "No community was added and nothing changed.",
    "Copy the whole address that the other relay's operator was shown (tertulia relay status).",
)
UNKNOWN_COMMUNITY: Final = Problem(
    "This relay serves no community of that name or id, or more than one of that name.",
    _NOTHING,
    "Look at the list (tertulia relay status) and copy the name or the id from there.",
)
BROKEN: Final = Problem(
    "Something inside the relay went wrong.",
    "Everything that was confirmed before is on its disk.",
    "Start it again; if it happens again, please report it together with the last lines of its node.log.",
)
UNASKED: Final = Problem(
    "There is no terminal to ask you on.",
    "No relay was made.",
    "Take the defaults with --yes, or give the answers as options.",
)
CLOCK: Final = Problem(
    "This machine's clock is before the last frame that this relay kept by more than a day.",
    "No frame was touched, and nothing was sent.",
    "Set the clock (timedatectl set-ntp true), then start again.",
)


def no_port(port: int) -> Problem:
    """Nothing can listen there."""
    return Problem(
        f"This machine cannot listen on port {port}: another program has it, or the address is not this machine's.",
        "Nothing was changed and no frame was lost.",
        "End that program (ss -ltnp shows which), or choose another port or address in config.toml.",
    )
