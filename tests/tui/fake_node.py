"""A node without a network, for the face's own tests: real control messages over a real Unix socket.

It keeps one profile in memory, checks every request against the protocol's tables, and lets a test speak for others.
Run as a program it takes the node's own arguments, so that launching, racing and dying can be tested too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fake_method import FakeMethod

from tertulia.protocol.control import (
    CONTROL_VERSION,
    Call,
    Delta,
    Failure,
    Hello,
    HelloAnswer,
    LocalError,
    Notice,
    Problem,
    Result,
    Row,
    Snapshot,
    Unwatch,
    Watch,
    client_splitter,
    encode_message,
)
from tertulia.protocol.methods import check_call, check_watch

KEPT = "Nothing was changed."


def hexed(prefix: str, number: int) -> str:
    return (prefix + f"{number:02x}").ljust(64, "0")


@dataclass
class Talk:
    id: str
    title: str
    state: str = "in"
    messages: list[dict] = field(default_factory=list)
    rooms: list[dict] = field(default_factory=list)
    members: list[dict] = field(default_factory=list)
    unread: int = 0


@dataclass
class Following:
    watch: Watch
    shown: dict[str, Row]


NUMBER = " ".join(["12345"] * 12)
CODE = "1234 5678 9012 3456 7890"


class FakeNode(FakeMethod):
    """One profile's node. `peers` other machines are reachable; with none, nothing is ever sent."""

    def __init__(self, folder: Path, *, version: int = CONTROL_VERSION, peers: int = 1, resident: bool = False) -> None:
        super().__init__()
        self.asks_for_rules = False
        self.folder = folder
        self.version = version
        self.peers = peers
        self.resident = resident
        self.keep = False
        self.state = "new"
        self.passphrase = ""
        self.nick = ""
        self.kdf: dict = {}
        self.delivered: dict = {}
        self.clock: dict = {}
        self.commons: list[dict] = []
        self.relays: list[dict] = []
        self.talks: dict[str, Talk] = {}
        self.knocks: list[dict] = []
        self.joins: list[dict] = []
        self.contacts: list[dict] = []
        self.resources: list[dict] = []
        self.acts: list[dict] = []
        self.accepted = False
        self.quorum = 1
        self.instead_of_admitting: dict[str, str] = {}
        self.calls: list[tuple[str, dict]] = []
        self.change = 0
        self.clients: dict[asyncio.StreamWriter, dict[int, Following]] = {}
        self.ended = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop
        self.ephemeral = False
        self.admits_at_once = True
        self.init_gate: asyncio.Event | None = None
        self._server: asyncio.AbstractServer | None = None
        self._socket_dir = tempfile.mkdtemp(prefix="tt")
        self._tasks: set[asyncio.Task] = set()

    # Life ------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = f"{self._socket_dir}/s"
        self._server = await asyncio.start_unix_server(self._serve, path)
        partial = self.folder / "node.socket.new"
        partial.write_text(path + "\n", encoding="utf-8")
        partial.rename(self.folder / "node.socket")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()

    async def die(self) -> None:
        """End at once; the socket's name stays behind, as after kill -9."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self.clients):
            writer.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.ended.set()

    # A conversation --------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = client_splitter()
        self.clients[writer] = {}
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while data := await reader.read(65536):
                for message in splitter.feed(data):
                    self._take(writer, message)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self.clients.pop(writer, None)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()
            if self.ephemeral and not self.clients and not self.keep and not self.resident:
                self.ended.set()

    def _send(self, writer: asyncio.StreamWriter, message: object) -> None:
        if not writer.is_closing():
            writer.write(encode_message(message))  # type: ignore[arg-type]

    def _take(self, writer: asyncio.StreamWriter, message: object) -> None:
        match message:
            case Hello():
                self._send(writer, HelloAnswer(self.version, "9.9", self.folder.name))
            case Call():
                task = asyncio.get_running_loop().create_task(self._call(writer, message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case Watch():
                self._watch(writer, message)
            case Unwatch():
                self.clients[writer].pop(message.id, None)

    async def _call(self, writer: asyncio.StreamWriter, call: Call) -> None:
        try:
            check_call(call.method, call.params)
            self.calls.append((call.method, dict(call.params)))
            answer = getattr(self, "do_" + call.method.replace(".", "_"))(**{
                ("for_" if name == "for" else name): value for name, value in call.params.items()
            })
            value = await answer if asyncio.iscoroutine(answer) else answer
        except LocalError as wrong:
            self._send(writer, Failure(call.id, wrong.problem))
            return
        self._send(writer, Result(call.id, value))
        self.changed()
        if call.method == "stop":
            self._tasks.discard(asyncio.current_task())  # type: ignore[arg-type]
            await self.die()

    # Views -----------------------------------------------------------------------------------------------------------

    def _watch(self, writer: asyncio.StreamWriter, watch: Watch) -> None:
        try:
            check_watch(watch.view, watch.params)
            rows = self._rows(watch)
        except LocalError as wrong:
            self._send(writer, Failure(watch.id, wrong.problem))
            return
        self.clients[writer][watch.id] = Following(watch, {row.id: row for row in rows})
        self._send(writer, Snapshot(watch.id, self.change, rows))

    def changed(self) -> None:
        """Tell every client what has changed since it was last told."""
        self.change += 1
        for writer, watches in self.clients.items():
            for number, following in watches.items():
                with contextlib.suppress(LocalError):
                    now = {row.id: row for row in self._rows(following.watch)}
                    upserts = tuple(row for key, row in now.items() if following.shown.get(key) != row)
                    removes = tuple(key for key in following.shown if key not in now)
                    following.shown = now
                    if upserts or removes:
                        self._send(writer, Delta(number, self.change, upserts, removes))

    def _rows(self, watch: Watch) -> tuple[Row, ...]:
        if watch.view == "status":
            return (Row("status", (0,), self.do_status()),)
        if self.state != "unlocked":
            raise wrong("The profile is locked.")
        match watch.view:
            case "dialogues":
                return tuple(Row(t.id, (t.title, t.id), self._dialogue(t)) for t in self.talks.values())
            case "messages":
                talk = self._talk(str(watch.params["dialogue"]))
                last = int(watch.params.get("last", 200))  # type: ignore[call-overload]
                room = watch.params.get("room", "")
                numbered = [(n, m) for n, m in enumerate(talk.messages) if m.get("room", "") == room][-last:]
                return tuple(Row(m["id"], (n, m["id"]), dict(m)) for n, m in numbered)
            case "people":
                talk = self._talk(str(watch.params["dialogue"]))
                return tuple(Row(m["member"], (m["nick"], m["member"]), dict(m)) for m in talk.members)
            case "knocks":
                return tuple(Row(k["knock"], (k["time"], k["knock"]), dict(k)) for k in self.knocks)
            case "contacts":
                return tuple(Row(c["contact"], (c["name"], c["contact"]), dict(c)) for c in self.contacts)
            case "joins":
                return tuple(Row(j["join"], (j["title"], j["join"]), dict(j)) for j in self.joins)
        raise AssertionError(watch.view)

    def _dialogue(self, talk: Talk) -> dict:
        return {
            "dialogue": talk.id, "title": talk.title, "commons": hexed("c0", 1), "people": len(talk.members),
            "unread": talk.unread, "last": talk.messages[-1]["time"] if talk.messages else 0,
            "me": self.nick, "state": talk.state, "accepted": self.accepted or not self.asks_for_rules,
        }  # fmt: skip

    def _talk(self, name: str) -> Talk:
        self._need_unlocked()
        for talk in self.talks.values():
            if talk.title == name or (len(name) >= 4 and talk.id.startswith(name)):
                return talk
        raise wrong(f"No dialogue is called “{name}”.")

    def _need_unlocked(self) -> None:
        if self.state != "unlocked":
            raise wrong("The profile is locked.")

    # Methods ---------------------------------------------------------------------------------------------------------

    def do_status(self) -> dict:
        unsent = sum(m["state"] == "stored" for t in self.talks.values() for m in t.messages)
        locked = f"The profile is {self.state}."
        relays = [{key: relay[key] for key in ("peer", "name", "state", "problem")} for relay in self.relays]
        words = f"{self.peers} devices of your community are connected." if self.peers else "Nobody is reachable."
        return {
            "release": "9.9", "profile": self.folder.name, "state": self.state, "keep": self.keep,
            "resident": self.resident, "nick": self.nick if self.state == "unlocked" else "",
            "commons": [dict(c, peers=self.peers, relays=relays) for c in self.commons],
            "unsent": unsent, "clock": self.clock,
            "dialogues": len(self.talks), "sentence": words if self.state == "unlocked" else locked,
        }  # fmt: skip

    async def do_init(self, nick: str, passphrase: str, kdf_mib: int = 256, kdf_ops: int = 3) -> dict:
        if self.init_gate is not None:
            await self.init_gate.wait()
        if len(passphrase) < 4:
            raise wrong("The passphrase is too short.")
        self.nick, self.passphrase, self.state = nick, passphrase, "unlocked"
        self.kdf = {"mib": kdf_mib, "ops": kdf_ops, "seconds": 1}
        return {"nick": nick, "kdf": self.kdf}

    def do_unlock(self, passphrase: str, keep: bool = False) -> dict:
        if passphrase != self.passphrase:
            raise LocalError(Problem("This is not the passphrase.", KEPT, "Try again."))
        self.state, self.keep = "unlocked", self.keep or keep
        return {"state": self.state}

    def do_lock(self) -> dict:
        self.state, self.keep = "locked", False
        for writer in self.clients:
            self._send(writer, Notice("locking", "The profile was locked."))
        return {"state": self.state}

    def do_keep(self, on: bool) -> dict:
        self.keep = on
        return {"state": self.state}

    def do_stop(self) -> dict:
        return {"state": "stopped"}

    def do_commons_propose(self) -> dict:
        return {"listen": "/ip4/192.168.1.7/tcp/41234"}

    def do_commons_new(self, name: str, listen: str = "", announce: list[str] | None = None) -> dict:
        address = (announce or [listen])[0]
        row = {"commons": hexed("c0", len(self.commons) + 1), "name": name, "address": address, "listening": True,
               "peers": self.peers, "reach": "direct", "error": ""}  # fmt: skip
        self.commons.append(row)
        return {"commons": row["commons"], "name": name, "address": address}

    def do_commons_card(self, commons: str = "") -> dict:
        relays = [{key: relay[key] for key in ("peer", "name", "addresses")} for relay in self.relays]
        ours = hexed("a1", 1)
        waiting = {"card": hexed("ca", 2), "version": 3, "lacking": 1, "quorum": 2, "stewards": [ours, hexed("a1", 2)]}
        return {"commons": hexed("c0", 1), "name": "Harbour", "state": "followed" if relays else "none", "version": 2,
                "issued": 0, "expires": 1_800_000_000_000, "quorum": 1, "stewards": [ours], "steward": ours,
                "relays": relays, "seeds": [], "contested": bool(relays),
                "proposals": [{**waiting, "relays": relays}] if relays else []}  # fmt: skip

    def do_commons_relays_add(self, address: str, words: str = "", seed: bool = False, commons: str = "") -> dict:
        if self.relays:
            return {"state": "waiting", "card": hexed("ca", 2), "version": 3, "lacking": 1}
        self.relays.append({"peer": address.rpartition("/")[2], "name": words, "addresses": [address],
                            "state": "fed", "problem": ""})  # fmt: skip
        self.commons[0] |= {"reach": "relayed", "sees": f"{words} sees this machine's address."}
        return {"state": "published", "card": hexed("ca", 1), "version": 2, "lacking": 0}

    def do_commons_relays_remove(self, relay: str, commons: str = "") -> dict:
        self.relays.clear()
        return {"state": "published", "card": hexed("ca", 3), "version": 3, "lacking": 0}

    def do_commons_relays_try(self, address: str, words: str = "", commons: str = "") -> dict:
        return {"relay": address.rpartition("/")[2], "state": "tried"}

    def do_commons_stewards_key(self, commons: str = "") -> dict:
        return {"steward": hexed("a1", 1)}

    def do_commons_stewards_add(self, steward: str, quorum: int = 1, commons: str = "") -> dict:
        return {"state": "waiting", "card": hexed("ca", 2), "version": 3, "lacking": 2}

    def do_commons_stewards_remove(self, steward: str, quorum: int = 1, commons: str = "") -> dict:
        return {"state": "published", "card": hexed("ca", 2), "version": 3, "lacking": 0}

    def do_commons_stewards_succeed(self, steward: str, successor: str, quorum: int = 1, commons: str = "") -> dict:
        return {"state": "waiting", "card": hexed("ca", 2), "version": 3, "lacking": 1}

    def do_commons_sign(self, card: str, commons: str = "") -> dict:
        return {"state": "published", "card": hexed("ca", 2), "version": 3, "lacking": 0}

    def do_commons_renew(self, commons: str = "") -> dict:
        return {"state": "published", "card": hexed("ca", 4), "version": 4, "lacking": 0}

    def do_commons_reach(self, reach: str, commons: str = "") -> dict:
        self.commons[0]["reach"] = reach
        return {"commons": self.commons[0]["commons"], "reach": reach}

    def do_commons_lan(self, on: bool, commons: str = "") -> dict:
        self.commons[0]["lan"] = "on" if on else "off"
        return {"commons": self.commons[0]["commons"], "on": on}

    def do_commons_ticket(self, commons: str = "") -> dict:
        row = next(row for row in self.commons if commons in {"", row["name"]})
        return {"commons": row["commons"], "name": row["name"], "ticket": "RELAY:QD2NNABQ"}

    def do_commons_list(self) -> dict:
        return {"commons": self.do_status()["commons"]}

    def do_acts(self, dialogue: str) -> dict:
        self._talk(dialogue)
        return {"acts": self.acts}

    def propose(self, kind: str, member: str, nick: str, by: str = "Ana", need: int = 2) -> dict:
        """Something that waits for signatures, as if somebody had proposed it."""
        act = {"act": hexed("ac", len(self.acts) + 1), "kind": kind, "member": member, "nick": nick,
               "state": "pending", "need": need, "signers": [by], "signed": by == "Ana"}  # fmt: skip
        self.acts.append(act)
        return {"member": member, "state": "pending", "act": act["act"]}

    def do_role(self, dialogue: str, member: str, facilitator: bool) -> dict:
        found = [m for m in self._talk(dialogue).members if member in {m["nick"], m["member"]}]
        nick = found[0]["nick"] if found else member
        return self.propose("facilitator" if facilitator else "member", hexed("b0", 1), nick)

    def do_act(self, dialogue: str, deed: str, reason: str, member: str = "", message: str = "", minutes: int = 0
               ) -> dict:
        self._talk(dialogue)
        act = {"act": hexed("ac", len(self.acts) + 1), "kind": deed, "member": "", "nick": member, "message": message,
               "reason": reason, "closes": minutes, "state": "done", "need": 1, "signers": ["Ana"], "signed": True}
        self.acts.append(act)
        return {"act": act["act"], "state": "done"}

    def do_cosign(self, dialogue: str, act: str) -> dict:
        self._talk(dialogue)
        row = next(row for row in self.acts if row["act"].startswith(act))
        row.update(state="done", signers=["Ana", "Ruth"])
        return {"act": row["act"], "state": "done"}

    def do_dialogue_new(self, title: str, commons: str = "", quorum: int = 1, **rules: object) -> dict:
        self._need_unlocked()
        if not self.commons:
            raise wrong("You are in no community yet.")
        talk = self.add_talk(title)
        return {"dialogue": talk.id, "title": title}

    def do_charter(self, dialogue: str) -> dict:
        talk = self._talk(dialogue)
        return {"dialogue": talk.id, "title": talk.title, "charter": "track-2", "rules": ["Members see names."],
                "guidelines": "Speak for yourself.", "accepted": self.accepted, "simulation": False}  # fmt: skip

    def do_accept(self, dialogue: str) -> dict:
        talk = self._talk(dialogue)
        if self.accepted:
            raise wrong("You have accepted these rules already.")
        self.accepted = True
        return {"dialogue": talk.id, "accepted": True}

    def do_dialogue_list(self) -> dict:
        return {"dialogues": [self._dialogue(talk) for talk in self.talks.values()]}

    def do_invite(self, dialogue: str, uses: int = 1, expires_minutes: int = 10080, ask: bool = False) -> dict:
        self._talk(dialogue)
        expires = int(time.time()) // 60 + expires_minutes
        return {"invite": "AEAQ" + "K7F9S2MQPL4XR8TY" * 9, "uses": uses, "expires": expires}

    def do_join(self, invite: str, nick: str = "") -> dict:
        self._need_unlocked()
        if not invite.startswith("AEAQ"):
            raise LocalError(Problem("This is not an invite.", KEPT, "Ask for it again."))
        row = {"join": hexed("70", len(self.joins) + 1), "title": "Water treaty", "state": "knocked", "inviter": "Ruth",
               "dialogue": None, "problem": "", "code": "1234 5678"}  # fmt: skip
        self.joins.append(row)
        row.update(self.instead_of_admitting)
        if self.admits_at_once and not self.instead_of_admitting:
            self.admit_me(row["join"])
        return {"join": row["join"], "state": row["state"], "dialogue": row["dialogue"]}

    def admit_me(self, join: str) -> None:
        row = next(row for row in self.joins if row["join"] == join)
        talk = self.add_talk(row["title"])
        self.add_member(talk, row["inviter"], facilitator=True)
        row.update(state="admitted", dialogue=talk.id)
        self.changed()

    def do_say(self, dialogue: str, text: str, room: str = "") -> dict:
        talk = self._talk(dialogue)
        message = self.add_message(talk, self.nick, text, mine=True, room=room)
        return {"id": message["id"], "state": "stored"}

    def do_rooms(self, dialogue: str) -> dict:
        talk = self._talk(dialogue)
        plenary = {"room": talk.id, "form": "plenary", "title": talk.title, "members": [], "mine": True}
        aside = {"corridor": hexed("c1", 1), "opener": "Selam", "members": ["Ana", "Selam"], "state": "asked",
                 "closes": 1}  # fmt: skip
        return {"dialogue": talk.id, "rooms": [plenary, *talk.rooms], "corridors": [aside]}

    def add_room(self, talk: Talk, title: str, *members: str, mine: bool = True) -> None:
        talk.rooms.append({
            "room": hexed("b0", len(talk.rooms) + 1), "form": "breakout", "title": title, "members": list(members),
            "mine": mine, "rapporteur": members[0], "closes": 0, "state": "open", "reports": [],
        })  # fmt: skip

    def do_panic(self) -> dict:
        self.state = "new"
        return {"state": "new"}

    def do_clock_confirm(self) -> dict:
        self.clock = {}
        self.changed()
        return {"now": 1}

    def do_delivery(self, message: str) -> dict:
        return self.delivered

    def do_read(self, dialogue: str, last: int = 0) -> dict:
        talk = self._talk(dialogue)
        return {"dialogue": talk.id, "title": talk.title, "messages": talk.messages[-last:] if last else talk.messages}

    def do_members(self, dialogue: str) -> dict:
        return {"members": self._talk(dialogue).members}

    def do_seen(self, dialogue: str) -> dict:
        talk = self._talk(dialogue)
        talk.unread = 0
        return {"dialogue": talk.id}

    def do_check(self, dialogue: str, member: str) -> dict:
        found = next(m for m in self._talk(dialogue).members if member in (m["member"], m["nick"]))
        found["checked"] = True
        return {"member": found["member"], "checked": True}

    def _member(self, dialogue: str, member: str) -> dict:
        found = [m for m in self._talk(dialogue).members if member in {m["member"], m["nick"]}]
        if not found:
            raise wrong("There is no person here by that name.")
        return found[0]

    def do_reveal(self, dialogue: str, members: list[str] | None = None) -> dict:
        talk = self._talk(dialogue)
        untold = [m for m in talk.members if not m["me"] and not m["shown"]]
        chosen = [m for m in untold if not members or {m["member"], m["nick"]} & set(members)]
        if not chosen:
            raise wrong("You have shown them who you are already.")
        for member in chosen:
            member.update(shown=True, number=NUMBER if member["identity"] else "")
        return {"dialogue": talk.id, "shown": len(chosen), "state": "stored"}

    def do_verify(self, dialogue: str, member: str, same: bool = False) -> dict:
        found = self._member(dialogue, member)
        if not found["number"]:
            raise wrong("They have not shown you who they are.")
        changed, before = found["changed"], found["identity"]
        found.update(changed="", identity="verified" if same or before == "verified" else "shown")
        verified = found["identity"] == "verified"
        return {"member": found["member"], "number": NUMBER, "verified": verified, "changed": changed}

    def do_resource_add(self, dialogue: str, path: str, name: str = "") -> dict:
        self._talk(dialogue)
        if not Path(path).is_file():
            raise wrong(f"{path} cannot be read.")
        row = {"id": hexed("fe", len(self.resources) + 1), "author": "Ana", "member": hexed("aa", 17),
               "name": name or Path(path).name, "media": "text/plain", "size": Path(path).stat().st_size,
               "time": int(time.time() * 1000), "here": 100}  # fmt: skip
        self.resources.append(row)
        return {key: row[key] for key in ("id", "name", "size", "media")} | {"state": "stored"}

    def do_resource_list(self, dialogue: str) -> dict:
        return {"dialogue": self._talk(dialogue).id, "resources": self.resources}

    def do_resource_get(self, dialogue: str, resource: str, path: str) -> dict:
        self._talk(dialogue)
        found = [row for row in self.resources if resource in {row["name"], row["id"]}]
        if not found:
            raise wrong("There is no resource by that name.")
        return {"path": str(Path(path) / found[0]["name"]), "size": found[0]["size"]}

    def do_contacts_list(self) -> dict:
        self._need_unlocked()
        return {"contacts": self.contacts}

    def do_contacts_add(self, dialogue: str, member: str, name: str) -> dict:
        found = self._member(dialogue, member)
        if not found["identity"]:
            raise wrong("They have not shown you who they are, so you could not find them again.")
        found["contact"] = name
        return {"contact": self.befriend(name, found["nick"])["contact"], "name": name}

    def _contact(self, contact: str) -> dict:
        found = [c for c in self.contacts if contact == c["contact"] or contact.casefold() == c["name"].casefold()]
        if not found:
            raise wrong("You keep no such contact, or several.")
        return found[0]

    def do_contacts_rename(self, contact: str, name: str) -> dict:
        found = self._contact(contact)
        found["name"] = name
        return {"contact": found["contact"], "name": name}

    def do_contacts_forget(self, contact: str) -> dict:
        found = self._contact(contact)
        self.contacts.remove(found)
        return {"contact": found["contact"]}

    def do_contacts_talk(self, contact: str) -> dict:
        found = self._contact(contact)
        title = f"Ana & {found['called']}"
        known = [talk for talk in self.talks.values() if talk.title == title]
        talk = known[0] if known else self.add_talk(title)
        state = "open" if known else "new"
        return {"contact": found["contact"], "dialogue": talk.id, "title": title, "state": state}

    def do_contacts_invite(self, contact: str, dialogue: str) -> dict:
        found, talk = self._contact(contact), self._talk(dialogue)
        if not found["met"]:
            raise wrong("They do not know who you are.")
        return {"contact": found["contact"], "dialogue": talk.id, "title": talk.title, "state": "stored"}

    def do_contacts_dismiss(self, offer: str) -> dict:
        for contact in self.contacts:
            contact["offers"] = [one for one in contact["offers"] if one["offer"] != offer]
        return {"offer": offer}

    def befriend(self, name: str, called: str = "", **more: object) -> dict:
        """Somebody who is kept."""
        row = {"contact": hexed("c7", len(self.contacts) + 1), "name": name, "called": called or name, "met": True,
               "verified": False, "changed": False, "number": NUMBER, "offers": [], **more}  # fmt: skip
        self.contacts.append(row)
        return row

    def do_knocks(self) -> dict:
        self._need_unlocked()
        return {"knocks": self.knocks}

    def do_admit(self, knock: str) -> dict:
        row = next((row for row in self.knocks if row["knock"] == knock), None)
        if row is None:
            raise wrong("Nobody knocks like that.")
        row["state"] = "admitted"
        self.add_member(self.talks[row["dialogue"]], row["nick"])
        return {"knock": knock, "state": "admitted"}

    def do_refuse(self, knock: str) -> dict:
        for row in self.knocks:
            row["state"] = "refused" if row["knock"] == knock else row["state"]
        return {"knock": knock, "state": "refused"}

    def do_remove(self, dialogue: str, member: str) -> dict:
        talk = self._talk(dialogue)
        found = [m for m in talk.members if m["nick"] == member or m["member"].startswith(member)]
        if not found:
            raise wrong(f"Nobody here is called “{member}”.")
        if self.quorum > 1:
            return self.propose("remove", found[0]["member"], found[0]["nick"], need=self.quorum)
        talk.members.remove(found[0])
        return {"member": found[0]["member"], "state": "removed"}

    def do_leave(self, dialogue: str) -> dict:
        self._talk(dialogue).state = "left"
        return {"state": "left"}

    async def do_wait(
        self, for_: str, seconds: int, join: str = "", message: str = "", dialogue: str = ""
    ) -> dict:
        if for_ == "join":
            row = next(row for row in self.joins if row["join"] == join)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._until(lambda: row["state"] != "knocked"), seconds)
            return {"state": row["state"], "dialogue": row["dialogue"]}
        alone = any(
            len(talk.members) == 1
            for talk in self.talks.values()
            if dialogue in (talk.id, talk.title) or any(m["id"] == message for m in talk.messages)
        )
        if not self.peers or alone:
            return {"state": "stored", "alone": alone}
        for talk in self.talks.values():
            for said in talk.messages:
                said.update(state="sent", peers=self.peers)
        return {"state": "sent", "alone": False}

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    # What others do --------------------------------------------------------------------------------------------------

    def add_talk(self, title: str) -> Talk:
        talk = Talk(hexed("d1", len(self.talks) + 1), title)
        self.talks[talk.id] = talk
        self.add_member(talk, self.nick, me=True, facilitator=not self.joins)
        return talk

    def add_member(self, talk: Talk, nick: str, *, me: bool = False, facilitator: bool = False) -> None:
        talk.members.append({
            "member": hexed("aa", len(talk.members) + 1 + 16 * len(self.talks)), "nick": nick, "me": me,
            "facilitator": facilitator, "status": "in", "checked": False, "code": "" if me else CODE,
            "told_by": "Ruth" if not me and self.joins else None, "accepted": True, "forked": False,
            "shown": False, "identity": "", "contact": "", "number": "", "changed": "",
        })  # fmt: skip

    def add_message(self, talk: Talk, author: str, text: str, *, mine: bool = False, **more: object) -> dict:
        member = next((m["member"] for m in talk.members if m["nick"] == author), hexed("bb", 1))
        message = {
            "id": hexed("e" + f"{len(talk.messages):06x}", 1), "author": author, "member": member, "text": text,
            "time": int(time.time() * 1000), "grade": "off the record", "state": "stored" if mine else "sent",
            "alone": mine and len(talk.members) == 1, "peers": 0, "relays": [], "mine": mine, "late": False,
            "gap": False, "lost": 0, "expired": 0, **more,
        }  # fmt: skip
        talk.messages.append(message)
        return message

    def hear(self, talk: Talk, author: str, text: str, **more: object) -> dict:
        """A message from somebody else arrives."""
        message = self.add_message(talk, author, text, **more)
        self.changed()
        return message

    def knock(self, talk: Talk, nick: str) -> dict:
        row = {"knock": hexed("f0", len(self.knocks) + 1), "dialogue": talk.id, "title": talk.title, "nick": nick,
               "code": "4821 7733", "time": int(time.time() * 1000), "state": "waiting"}  # fmt: skip
        self.knocks.append(row)
        self.changed()
        return row


def wrong(error: str) -> LocalError:
    return LocalError(Problem(error, KEPT, "Try something else."))


def populated(folder: Path, **options: object) -> FakeNode:
    """A node of somebody called Ana with one community and one dialogue, unlocked."""
    node = FakeNode(folder, **options)  # type: ignore[arg-type]
    node.nick, node.passphrase, node.state = "Ana", "correct horse", "unlocked"
    node.do_commons_new("Harbour", "/ip4/192.168.1.7/tcp/41234")
    talk = node.add_talk("Water treaty")
    node.add_member(talk, "Ruth", facilitator=True)
    return node


class NodeThread:
    """A fake node in a thread of its own, for tests that run a client in theirs."""

    def __init__(self, make: Callable[[], FakeNode]) -> None:
        self._make = make
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self.node = self._make()
        self.node.loop = asyncio.get_running_loop()
        async with self.node:
            self._ready.set()
            await self.node.ended.wait()

    def __enter__(self) -> FakeNode:
        self._thread.start()
        assert self._ready.wait(10)
        return self.node

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # stopped by the test, and its loop with it
            self.node.loop.call_soon_threadsafe(self.node.ended.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


async def _as_program(home: Path, profile: str, resident: bool) -> None:
    node = FakeNode(home / profile, resident=resident)
    node.ephemeral = True
    await node.start()
    # Started beside another that then ended: nobody may ever come, so it does not wait for ever.
    asyncio.get_running_loop().call_later(3, lambda: None if node.clients or node.keep else node.ended.set())
    await node.ended.wait()
    (node.folder / "node.socket").unlink(missing_ok=True)
    await node.die()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--resident", action="store_true")
    given = parser.parse_args()
    folder = given.home / given.profile
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "node.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(75)
    with (folder / "starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    asyncio.run(_as_program(given.home, given.profile, given.resident))


if __name__ == "__main__":
    main()
