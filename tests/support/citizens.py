"""Whole nodes on loopback: profiles in a temporary folder, real libp2p, real databases, cheap passphrases."""

from __future__ import annotations

from collections.abc import Callable

import trio

from tertulia.node.citizen import Citizen, open_citizen
from tertulia.node.config import Config

__all__ = [
    "LOOPBACK",
    "PASSPHRASE",
    "Config",
    "admitted",
    "found",
    "init",
    "invited",
    "join",
    "messages",
    "open_citizen",
    "sees",
    "sent",
    "until",
]

PASSPHRASE = "correct horse"
KDF = {"kdf_mib": 8, "kdf_ops": 1}
LOOPBACK = "/ip4/127.0.0.1/tcp/0"
PATIENCE = 30.0


async def init(citizen: Citizen, nick: str) -> None:
    await citizen.call("init", {"nick": nick, "passphrase": PASSPHRASE, **KDF})


async def found(citizen: Citizen, nick: str, title: str = "Talk") -> str:
    """A new citizen with a community that listens, and a dialogue in it; returns the dialogue's id."""
    await init(citizen, nick)
    await citizen.call("commons.new", {"name": "Madrid", "listen": LOOPBACK})
    return str((await citizen.call("dialogue.new", {"title": title}))["dialogue"])


async def invited(citizen: Citizen, dialogue: str, **params: int | bool) -> str:
    return str((await citizen.call("invite", {"dialogue": dialogue, **params}))["invite"])


async def join(citizen: Citizen, nick: str, invite: str) -> str:
    await init(citizen, nick)
    return str((await citizen.call("join", {"invite": invite}))["join"])


async def admitted(citizen: Citizen, joining: str) -> None:
    answer = await citizen.call("wait", {"for": "join", "join": joining, "seconds": int(PATIENCE)})
    assert answer["state"] == "admitted"


def messages(citizen: Citizen, dialogue: str) -> list[str]:
    """What the citizen reads, or nothing before they can."""
    service = citizen.service
    if service.state.value != "unlocked":
        return []
    held = service.core.dialogues.get(bytes.fromhex(dialogue))
    if held is None:
        return []
    from tertulia.protocol import views

    return [str(row["text"]) for _, row in views.messages(service.core, held.id)]


async def until(citizen: Citizen, holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until something holds; looked at whenever something the citizen can see has changed."""
    changed = trio.Event()

    def note(_view: object, _dialogue: object) -> None:
        changed.set()

    citizen.service.on_shown.append(note)
    try:
        with trio.fail_after(seconds):
            while not holds():
                changed = trio.Event()
                if holds():
                    return
                await changed.wait()
    finally:
        citizen.service.on_shown.remove(note)


async def sees(citizen: Citizen, dialogue: str, *texts: str) -> None:
    """Wait until the citizen reads exactly these messages, in any order."""
    await until(citizen, lambda: sorted(messages(citizen, dialogue)) == sorted(texts))


async def sent(citizen: Citizen) -> None:
    answer = await citizen.call("wait", {"for": "outbox", "seconds": int(PATIENCE)})
    assert answer["state"] == "sent"


