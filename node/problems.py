"""The sentences of a node: what a person can run into that is not the disk's or the protocol's.

STYLE.md habit 3: what happened, what is safe, what to do next. Invariants: no sentence holds plaintext, a key or a
peer's address.
"""

from __future__ import annotations

from typing import Final

from tertulia.protocol.errors import Problem

_NOTHING: Final = "Nothing was done and nothing changed."

LOCKED: Final = Problem(
    "The profile is locked.",
    _NOTHING,
    "Unlock it with your passphrase (tertulia unlock), then try again.",
)
LOCKED_MEANWHILE: Final = Problem(
    "The profile was locked before this was done.",
    "What was confirmed is on this machine's disk; this was not confirmed.",
    "Unlock it again and look whether it is there, then try again.",
)
NEW: Final = Problem(
    "This profile has not been set up yet.",
    _NOTHING,
    "Choose a nickname and a passphrase first (tertulia init --nick NAME).",
)
NOT_NEW: Final = Problem(
    "This profile has been set up already.",
    "It was left as it is.",
    "Unlock it with its passphrase, or name another profile with --profile NAME.",
)
BUSY: Final = Problem(
    "The node has too much to do just now.",
    _NOTHING,
    "Wait a moment and try again.",
)
BROKEN: Final = Problem(
    "Something inside this program went wrong while it did this.",
    "Nothing was changed by it, and everything that was confirmed before is still there.",
    "Try again; if it happens again, please report it together with the last lines of the profile's node.log.",
)
STOPPING: Final = Problem(
    "The node is ending.",
    "What was confirmed is on this machine's disk.",
    "Try again in a moment: it is started anew.",
)
UNDECIDED: Final = Problem(
    "You belong to more than one community.",
    _NOTHING,
    "Say which one with --commons NAME (tertulia commons list shows them).",
)
NO_COMMONS: Final = Problem(
    "You belong to no community yet.",
    _NOTHING,
    "Join one with an invite, or start one (tertulia commons new NAME).",
)
UNKNOWN_COMMONS: Final = Problem(
    "No community of yours has this name or id.",
    _NOTHING,
    "Look at the list (tertulia commons list) and copy the name from there.",
)
MANY_COMMONS: Final = Problem(
    "This node serves as many communities as it can.",
    _NOTHING,
    "Use another profile for this one (--profile NAME).",
)
CANNOT_LISTEN: Final = Problem(
    "This machine cannot listen on this community's address: it is not its own at the moment, or the port is taken.",
    "What you have is safe, and this node still reaches others where it can; only others cannot start at yours.",
    "Go back to the network where you had that address, or end the program that uses the port, then restart the node.",
)
NO_NETWORK: Final = Problem(
    "This machine's network could not be used for this community.",
    "What you have is safe and is sent when the network is back.",
    "Check the network, then restart the node (tertulia stop).",
)
OTHER_VERSION: Final = Problem(
    "The running node is of another version than this program.",
    "What was confirmed is on the node's disk; this program changed nothing.",
    "Restart the node: tertulia stop, then try again.",
)
HELLO_FIRST: Final = Problem(
    "The program that connected did not say which version it speaks.",
    "Nothing was done and nothing changed.",
    "Use the tertulia command that came with this node.",
)
GARBLED: Final = Problem(
    "The node could not understand what was sent to it.",
    "The message was thrown away and nothing changed.",
    "Use the tertulia command that came with this node; if you did, please report this.",
)
UNREADABLE_COMMONS: Final = Problem(
    "The archive names a community that this release cannot read.",
    "The archive was left as it is, and nothing was sent.",
    "Install the release that wrote it, or put back a backup of archive.db.",
)
CANNOT_LISTEN_THERE: Final = Problem(
    "This machine cannot listen on that address: it is not its own, or the port is taken.",
    _NOTHING,
    "Choose another port, or leave the address out and let the node choose.",
)
UNKNOWN_WAIT: Final = Problem(
    "There is nothing like that to wait for.",
    _NOTHING,
    "Wait for the outbox, or for a join that this profile holds.",
)
NOT_ON_A_LAN: Final = Problem(
    "This machine is on no local network on which it could look for others of this community.",
    "Nothing was sent there; what you write waits, or goes by another way.",
    "Connect it to the network that the others are on (with IPv4); it is tried again by itself.",
)
NO_SEEKER: Final = Problem(
    "This node has nothing to look for others on the local network with.",
    _NOTHING,
    "Start it as tertulia node does.",
)


def nameless(what: str) -> Problem:
    """A thing that needs a name was given none that can be shown."""
    return Problem(f"A {what} needs a name.", _NOTHING, "Give it one that those you invite will recognise.")
