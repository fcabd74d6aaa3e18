"""What a client may ask of a node: the methods, the views, and the parameters each takes.

Implements the tables of docs/spec/control.md (a test holds them equal). `check_call` and `check_watch` are the
node's first step with a decoded message: unknown names, missing or surplus parameters and wrong types become
one sentence each, before anything is done. What a parameter means is judged by whoever carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from tertulia.protocol.encoding import Value
from tertulia.protocol.errors import LocalError, Problem


class Kind(StrEnum):
    """The type of a parameter."""

    TEXT = "text"
    INT = "int"
    FLAG = "flag"
    TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class Method:
    """One method: the parameters it needs, those it may be given, and the fields of its result."""

    needs: Mapping[str, Kind]
    may: Mapping[str, Kind]
    result: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One view that can be watched: its parameters as for a method, and the fields of its rows."""

    needs: Mapping[str, Kind]
    may: Mapping[str, Kind]
    row: tuple[str, ...]


TEXT, INT, FLAG, TEXTS = Kind.TEXT, Kind.INT, Kind.FLAG, Kind.TEXTS

STATUS = (
    "release", "profile", "state", "keep", "resident", "nick", "commons", "unsent", "clock", "dialogues",
    "sentence",
)  # fmt: skip
DIALOGUE = (
    "dialogue", "title", "commons", "people", "unread", "last", "me", "state", "missing", "lost", "charter",
    "simulation", "accepted",
)  # fmt: skip
CHARTER = ("dialogue", "title", "charter", "rules", "guidelines", "accepted", "simulation")
MESSAGE = (
    "id", "author", "member", "text", "time", "grade", "state", "alone", "peers", "relays", "received", "members",
    "mine", "late", "gap", "lost", "expired", "folded", "form", "about", "lang", "voice", "edited", "withdrawn",
)  # fmt: skip
CARD = (
    "commons", "name", "state", "version", "issued", "expires", "quorum", "stewards", "steward", "relays", "seeds",
    "contested", "proposals",
)  # fmt: skip
REVISED = ("state", "card", "version", "lacking")
MEMBER = (
    "member", "nick", "me", "facilitator", "status", "checked", "code", "told_by", "accepted", "forked", "shown",
    "identity", "contact", "number", "changed",
)  # fmt: skip
CONTACT = ("contact", "name", "called", "met", "verified", "changed", "number", "offers")
PROCEEDINGS = ("dialogue", "closed", "paused", "muted", "floor", "item", "rounds", "queue", "agenda")
KNOCK = ("knock", "dialogue", "title", "nick", "code", "time", "state")
JOIN = ("join", "title", "state", "inviter", "dialogue", "problem", "code")

METHODS: Mapping[str, Method] = {
    "status": Method({}, {}, STATUS),
    "init": Method({"nick": TEXT, "passphrase": TEXT}, {"kdf_mib": INT, "kdf_ops": INT}, ("nick", "kdf")),
    "unlock": Method({"passphrase": TEXT}, {"keep": FLAG}, ("state",)),
    "lock": Method({}, {}, ("state",)),
    "keep": Method({"on": FLAG}, {}, ("state",)),
    "stop": Method({}, {}, ("state",)),
    "panic": Method({}, {}, ("state",)),
    "commons.new": Method({"name": TEXT}, {"listen": TEXT, "announce": TEXTS}, ("commons", "name", "address")),
    "commons.propose": Method({}, {}, ("listen",)),
    "commons.list": Method({}, {}, ("commons",)),
    "commons.ticket": Method({}, {"commons": TEXT}, ("commons", "name", "ticket")),
    "commons.card": Method({}, {"commons": TEXT}, CARD),
    "commons.relays.add": Method({"address": TEXT}, {"words": TEXT, "seed": FLAG, "commons": TEXT}, REVISED),
    "commons.relays.remove": Method({"relay": TEXT}, {"commons": TEXT}, REVISED),
    "commons.relays.try": Method({"address": TEXT}, {"words": TEXT, "commons": TEXT}, ("relay", "state")),
    "commons.stewards.key": Method({}, {"commons": TEXT}, ("steward",)),
    "commons.stewards.add": Method({"steward": TEXT}, {"quorum": INT, "commons": TEXT}, REVISED),
    "commons.stewards.remove": Method({"steward": TEXT}, {"quorum": INT, "commons": TEXT}, REVISED),
    "commons.stewards.succeed": Method({"steward": TEXT, "successor": TEXT}, {"quorum": INT, "commons": TEXT}, REVISED),
    "commons.sign": Method({"card": TEXT}, {"commons": TEXT}, REVISED),
    "commons.renew": Method({}, {"commons": TEXT}, REVISED),
    "commons.reach": Method({"reach": TEXT}, {"commons": TEXT}, ("commons", "reach")),
    "commons.lan": Method({"on": FLAG}, {"commons": TEXT}, ("commons", "on")),
    "dialogue.new": Method(
        {"title": TEXT},
        {"commons": TEXT, "quorum": INT, "track": TEXT, "languages": TEXTS, "keep": INT, "simulation": FLAG},
        ("dialogue", "title"),
    ),
    "dialogue.list": Method({}, {}, ("dialogues",)),
    "invite": Method(
        {"dialogue": TEXT}, {"uses": INT, "expires_minutes": INT, "ask": FLAG}, ("invite", "uses", "expires")
    ),
    "join": Method({"invite": TEXT}, {"nick": TEXT}, ("join", "state", "dialogue")),
    "say": Method(
        {"dialogue": TEXT, "text": TEXT}, {"form": TEXT, "target": TEXT, "lang": TEXT, "voice": TEXT, "room": TEXT},
        ("id", "state"),
    ),
    "edit": Method({"dialogue": TEXT, "id": TEXT, "text": TEXT}, {}, ("id", "state")),
    "withdraw": Method({"dialogue": TEXT, "id": TEXT}, {}, ("id", "state")),
    "stance": Method({"dialogue": TEXT, "id": TEXT, "value": TEXT}, {"reason": TEXT}, ("id", "state")),
    "propose": Method(
        {"dialogue": TEXT, "title": TEXT, "text": TEXT},
        {
            "form": TEXT, "lang": TEXT, "owner": TEXT, "closes": INT, "deadline": INT, "review": INT, "minutes": INT,
            "room": TEXT,
        },
        ("id", "state"),
    ),
    "amend": Method({"dialogue": TEXT, "id": TEXT, "text": TEXT}, {"lang": TEXT}, ("id", "state")),
    "take": Method({"dialogue": TEXT, "id": TEXT}, {}, ("id", "state")),
    "outcome.draft": Method(
        {"dialogue": TEXT, "title": TEXT, "text": TEXT}, {"joint": FLAG, "lang": TEXT, "cites": TEXTS}, ("id", "state")
    ),
    "outcome.endorse": Method(
        {"dialogue": TEXT, "id": TEXT}, {"reserve": FLAG, "reason": TEXT, "name": TEXT}, ("id", "state")
    ),
    "outcome.minority": Method({"dialogue": TEXT, "id": TEXT, "text": TEXT}, {"lang": TEXT}, ("id", "state")),
    "outcome.answer": Method({"dialogue": TEXT, "objection": TEXT, "text": TEXT}, {"lang": TEXT}, ("id", "state")),
    "outcome.attach": Method({"dialogue": TEXT, "id": TEXT, "objection": TEXT}, {}, ("id", "state")),
    "outcome.seal": Method({"dialogue": TEXT, "id": TEXT}, {"reason": TEXT}, ("act", "state")),
    "outcome.list": Method({"dialogue": TEXT}, {}, ("dialogue", "outcomes")),
    "outcome.export": Method({"dialogue": TEXT, "id": TEXT, "path": TEXT}, {"rules": FLAG}, ("path", "bytes")),
    "actions": Method({"dialogue": TEXT}, {}, ("dialogue", "actions")),
    "matters": Method({"dialogue": TEXT}, {}, ("dialogue", "provisional", "matters")),
    "history": Method({"dialogue": TEXT, "id": TEXT}, {}, ("dialogue", "id", "versions")),
    "floor": Method({"dialogue": TEXT}, {"text": TEXT, "lang": TEXT}, ("id", "state")),
    "proceedings": Method({"dialogue": TEXT}, {}, PROCEEDINGS),
    "read": Method({"dialogue": TEXT}, {"last": INT, "room": TEXT}, ("dialogue", "title", "messages")),
    "rooms": Method({"dialogue": TEXT}, {}, ("dialogue", "rooms", "corridors")),
    "corridor.list": Method({}, {"dialogue": TEXT}, ("corridors",)),
    "corridor.open": Method({"dialogue": TEXT, "members": TEXTS}, {"minutes": INT}, ("corridor", "state")),
    "corridor.answer": Method({"corridor": TEXT, "agree": FLAG}, {}, ("corridor", "state")),
    "corridor.say": Method({"corridor": TEXT, "text": TEXT}, {}, ("corridor", "state")),
    "corridor.close": Method({"corridor": TEXT}, {}, ("corridor", "state")),
    "room.open": Method(
        {"dialogue": TEXT, "title": TEXT, "members": TEXTS}, {"rapporteur": TEXT, "minutes": INT},
        ("act", "room", "state"),
    ),
    "survey": Method(
        {"dialogue": TEXT, "title": TEXT, "questions": TEXTS}, {"text": TEXT, "lang": TEXT}, ("id", "state")
    ),
    "answer": Method({"dialogue": TEXT, "id": TEXT, "choices": TEXTS}, {}, ("id", "state")),
    "surveys": Method({"dialogue": TEXT}, {}, ("dialogue", "surveys")),
    "release": Method({"dialogue": TEXT, "id": TEXT}, {"text": TEXT, "lang": TEXT}, ("id", "state")),
    "evaluation": Method(
        {"dialogue": TEXT, "id": TEXT}, {},
        ("id", "title", "questions", "answered", "pack", "dialogue", "simulation", "bytes"),
    ),
    "members": Method({"dialogue": TEXT}, {}, ("members", "rules")),
    "charter": Method({"dialogue": TEXT}, {}, CHARTER),
    "accept": Method({"dialogue": TEXT}, {}, ("dialogue", "accepted")),
    "seen": Method({"dialogue": TEXT}, {}, ("dialogue",)),
    "check": Method({"dialogue": TEXT, "member": TEXT}, {}, ("member", "checked")),
    "delivery": Method({"message": TEXT}, {}, (*MESSAGE, "waiting")),
    "receipts": Method({"on": FLAG}, {}, ("on",)),
    "clock.confirm": Method({}, {}, ("now",)),
    "carry.export": Method({"path": TEXT}, {"since": INT}, ("frames", "bytes")),
    "carry.import": Method({"path": TEXT}, {}, ("new", "known", "strange", "old")),
    "resource.add": Method(
        {"dialogue": TEXT, "path": TEXT}, {"name": TEXT}, ("id", "name", "size", "media", "state")
    ),
    "resource.list": Method({"dialogue": TEXT}, {}, ("dialogue", "resources")),
    "resource.get": Method({"dialogue": TEXT, "resource": TEXT, "path": TEXT}, {}, ("path", "size")),
    "reveal": Method({"dialogue": TEXT}, {"members": TEXTS}, ("dialogue", "shown", "state")),
    "verify": Method(
        {"dialogue": TEXT, "member": TEXT}, {"same": FLAG}, ("member", "number", "verified", "changed")
    ),
    "contacts.list": Method({}, {}, ("contacts",)),
    "contacts.add": Method({"dialogue": TEXT, "member": TEXT, "name": TEXT}, {}, ("contact", "name")),
    "contacts.rename": Method({"contact": TEXT, "name": TEXT}, {}, ("contact", "name")),
    "contacts.forget": Method({"contact": TEXT}, {}, ("contact",)),
    "contacts.talk": Method({"contact": TEXT}, {}, ("contact", "dialogue", "title", "state")),
    "contacts.invite": Method({"contact": TEXT, "dialogue": TEXT}, {}, ("contact", "dialogue", "title", "state")),
    "contacts.dismiss": Method({"offer": TEXT}, {}, ("offer",)),
    "knocks": Method({}, {}, ("knocks",)),
    "admit": Method({"knock": TEXT}, {}, ("knock", "state")),
    "refuse": Method({"knock": TEXT}, {}, ("knock", "state")),
    "acts": Method({"dialogue": TEXT}, {}, ("acts",)),
    "role": Method({"dialogue": TEXT, "member": TEXT, "facilitator": FLAG}, {}, ("member", "state", "act")),
    "act": Method(
        {"dialogue": TEXT, "deed": TEXT, "reason": TEXT},
        {"member": TEXT, "message": TEXT, "minutes": INT, "room": TEXT},
        ("act", "state"),
    ),
    "cosign": Method({"dialogue": TEXT, "act": TEXT}, {}, ("act", "state")),
    "remove": Method({"dialogue": TEXT, "member": TEXT}, {}, ("member", "state", "act")),
    "leave": Method({"dialogue": TEXT}, {}, ("state",)),
    "wait": Method(
        {"for": TEXT, "seconds": INT}, {"join": TEXT, "message": TEXT, "dialogue": TEXT}, ("state", "dialogue", "alone")
    ),
}

VIEWS: Mapping[str, View] = {
    "status": View({}, {}, STATUS),
    "dialogues": View({}, {}, DIALOGUE),
    "messages": View({"dialogue": TEXT}, {"last": INT, "room": TEXT}, MESSAGE),
    "people": View({"dialogue": TEXT}, {}, MEMBER),
    "knocks": View({}, {}, KNOCK),
    "joins": View({}, {}, JOIN),
    "contacts": View({}, {}, CONTACT),
}

LIMIT_TEXTS: Final = 32
"""Entries of a list parameter."""


def check_call(method: str, params: Mapping[str, Value]) -> None:
    """Refuse a call the tables do not know. Raises LocalError; never says a parameter's value."""
    known = METHODS.get(method)
    if known is None:
        raise _mismatch(f"The node does not know the request {method!r}.")
    _check(method, known.needs, known.may, params)


def check_watch(view: str, params: Mapping[str, Value]) -> None:
    """Refuse a watch the tables do not know. Raises LocalError; never says a parameter's value."""
    known = VIEWS.get(view)
    if known is None:
        raise _mismatch(f"The node does not know the view {view!r}.")
    _check(view, known.needs, known.may, params)


def _check(name: str, needs: Mapping[str, Kind], may: Mapping[str, Kind], params: Mapping[str, Value]) -> None:
    for missing in needs.keys() - params.keys():
        raise _mismatch(f"The request {name!r} came without its {missing!r}.")
    for given, value in params.items():
        kind = needs.get(given) or may.get(given)
        if kind is None:
            raise _mismatch(f"The request {name!r} takes no {given!r}.")
        if not _fits(kind, value):
            raise _mismatch(f"The {given!r} of the request {name!r} is not of the right type ({kind}).")


def _fits(kind: Kind, value: Value) -> bool:
    match kind:
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.INT:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.TEXTS:
            return isinstance(value, list) and len(value) <= LIMIT_TEXTS and all(isinstance(one, str) for one in value)
    assert_never(kind)


def _mismatch(error: str) -> LocalError:
    return LocalError(
        Problem(
            error=error,
            safe="Nothing was done and nothing changed.",
            next="Client and node may be of different releases: stop the node with “tertulia stop” and try again.",
        )
    )
