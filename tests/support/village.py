"""A handful of cores in one room of memory: their effects run, their frames carried, their clocks and dice ours.

The driver of the core machine for tests. Nothing of the protocol is imitated: frames are sealed, checked against the
commons' MAC and opened for real, HPKE is the library's. Only disk, network and time are plain Python values here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tertulia.protocol import frame as frames
from tertulia.protocol import hpke, views
from tertulia.protocol.commons import Commons
from tertulia.protocol.core import Core, fresh
from tertulia.protocol.effects import (
    Changed,
    ClearTimer,
    Effect,
    Erase,
    HpkeSeal,
    Publish,
    Put,
    Refuse,
    Reply,
    Rescan,
    SetTimer,
    Table,
)
from tertulia.protocol.errors import Problem
from tertulia.protocol.ids import DialogueId, EventId, FrameId
from tertulia.protocol.inputs import (
    Ask,
    Command,
    CommonsAdded,
    FrameArrived,
    FrameKept,
    HpkeSealed,
    Input,
    Join,
    MakeInvite,
    NewDialogue,
    Reachable,
    SayText,
    SetRole,
    SignAct,
    TimerFired,
)
from tertulia.protocol.invite import decode_invite

NOON = 1_900_000_000_000
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


class Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.error)
        self.problem = problem


@dataclass
class Citizen:
    """One core with a vault (rows) and an archive (frames) around it."""

    name: str
    village: Village = field(repr=False)
    core: Core = field(repr=False)
    rows: dict[Table, dict[bytes, bytes]] = field(repr=False)
    archive: dict[FrameId, frames.Frame] = field(default_factory=dict, repr=False)
    timers: dict[str, int] = field(default_factory=dict)
    answers: dict[int, Reply | Refuse] = field(default_factory=dict)
    online: bool = True
    locked: bool = False
    asked: int = 0
    published: list[frames.Frame] = field(default_factory=list, repr=False)

    def run(self, *inputs: Input) -> None:
        """One batch: stage, handle, settle, commit, adopt, run the effects."""
        overlay = self.core.stage()
        effects: list[Effect] = []
        for one in inputs:
            effects.extend(overlay.handle(one, self.village.now))
        effects.extend(overlay.settle(self.village.now))
        self.commit(overlay, effects)

    def commit(self, overlay: Core, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Put(table, key, value):
                    self.rows.setdefault(table, {})[key] = value
                case Erase(table, key):
                    self.rows.get(table, {}).pop(key, None)
        self.core = overlay
        for effect in effects:
            self.perform(effect)

    def perform(self, effect: Effect) -> None:
        match effect:
            case Publish(_commons, frame):
                self.archive[frame.id] = frame
                self.published.append(frame)
                self.village.wire.append((self, frame))
            case Rescan(commons, first, last):
                again = [f for f in self.archive.values() if first <= f.minute <= last]
                self.village.later.append((self, tuple(FrameArrived(commons, f) for f in again)))
            case HpkeSeal(job, requests):
                sealed = tuple(hpke.seal(r.public, r.info, r.plaintext) for r in requests)
                self.village.later.append((self, (HpkeSealed(job, sealed),)))
            case SetTimer(name, at):
                self.timers[name] = at
            case ClearTimer(name):
                self.timers.pop(name, None)
            case Reply(number, _) | Refuse(number, _):
                self.answers[number] = effect
            case Put() | Erase() | Changed():
                pass

    def ask(self, command: Command) -> dict[str, object]:
        self.asked += 1
        self.run(Ask(self.asked, command))
        answer = self.answers.pop(self.asked)
        if isinstance(answer, Refuse):
            raise Refused(answer.problem)
        return answer.value

    def restart(self) -> None:
        """As after a crash: all that is left is what was committed."""
        self.timers.clear()
        self.core = Core.load({table: list(rows.items()) for table, rows in self.rows.items()}, self.core.entropy)
        overlay = self.core.stage()
        effects = list(overlay.start(self.village.now))
        self.commit(overlay, effects)
        self.run(*(FrameArrived(self.village.commons.id, f) for f in self.archive.values()))
        if self.online:
            self.run(Reachable(self.village.commons.id, 1))

    def say(self, dialogue: DialogueId, text: str) -> str:
        return str(self.ask(SayText(dialogue, text))["id"])

    def reads(self, dialogue: DialogueId) -> list[str]:
        return [f"{row['author']}: {row['text']}" for _order, row in views.messages(self.core, dialogue)]

    def state_hash(self, dialogue: DialogueId) -> bytes:
        return self.core.dialogues[dialogue].state.hash


class Village:
    """The citizens of one commons, a clock, and the wire between those who are online."""

    def __init__(self, seed: int = 1, retention_days: int = 30) -> None:
        self.dice = random.Random(seed)
        self.now = NOON
        key, where = self.dice.randbytes(32), ("/ip4/192.0.2.7/tcp/4001",)
        self.commons = Commons(key, 1, "Aldea", retention_days, where, bytes(32))
        self.citizens: dict[str, Citizen] = {}
        self.wire: list[tuple[Citizen, frames.Frame]] = []
        self.later: list[tuple[Citizen, tuple[Input, ...]]] = []

    def citizen(self, name: str) -> Citizen:
        rows: dict[Table, dict[bytes, bytes]] = {}
        for put in fresh(name):
            rows.setdefault(put.table, {})[put.key] = put.value
        core = Core.load({table: list(found.items()) for table, found in rows.items()}, self.dice.randbytes)
        found = Citizen(name, self, core, rows)
        self.citizens[name] = found
        found.run(CommonsAdded(self.commons))
        self.online(found)
        return found

    def settle(self) -> None:
        """Carry and run until nothing is left to do at this moment."""
        while self.wire or self.later:
            later, self.later = self.later, []
            for citizen, inputs in later:
                citizen.run(*inputs)
            wire, self.wire = self.wire, []
            for sender, frame in wire:
                self.carry(sender, frame)

    def carry(self, sender: Citizen, frame: frames.Frame) -> None:
        if not sender.online:
            return
        for citizen in self.citizens.values():
            if citizen is sender or not citizen.online or frame.id in citizen.archive:
                continue
            window = frames.sync_window(self.now, self.commons.retention_days)
            checked = frames.check(frame.raw, self.commons.key, window)
            citizen.archive[checked.id] = checked
            if not citizen.locked:
                citizen.run(FrameArrived(self.commons.id, checked))
            sender.run(FrameKept(frame.id, citizen.name))

    def wait(self, ms: int) -> None:
        """Let time pass, timers fire, and everything settle."""
        end = self.now + ms
        self.settle()
        while True:
            due = [
                (at, name, citizen)
                for citizen in self.citizens.values()
                for name, at in citizen.timers.items()
                if at <= end and not citizen.locked
            ]
            if not due:
                break
            at, name, citizen = min(due, key=lambda row: (row[0], row[1], row[2].name))
            self.now = max(self.now, at)
            del citizen.timers[name]
            citizen.run(TimerFired(name))
            self.settle()
        self.now = end

    def offline(self, citizen: Citizen) -> None:
        citizen.online = False
        citizen.run(Reachable(self.commons.id, 0))

    def online(self, citizen: Citizen) -> None:
        """Back: both sides exchange what the other lacks, as sync does: nothing older than the retention."""
        citizen.online = True
        first = self.now // MINUTE - self.commons.retention_days * 24 * 60
        for one in self.citizens.values():
            one.archive = {key: frame for key, frame in one.archive.items() if frame.minute >= first}
        others = [other for other in self.citizens.values() if other is not citizen and other.online]
        for other in others:
            for here, there in ((citizen, other), (other, citizen)):
                for frame in list(here.archive.values()):
                    if frame.id not in there.archive:
                        there.archive[frame.id] = frame
                        there.run(FrameArrived(self.commons.id, frame))
                        here.run(FrameKept(frame.id, there.name))
        citizen.run(Reachable(self.commons.id, max(1, len(others))))
        self.settle()

    def found(self, founder: Citizen, title: str = "Tertulia") -> DialogueId:
        answer = founder.ask(NewDialogue(title, self.commons.id, founder.name))
        self.settle()
        return DialogueId(bytes.fromhex(str(answer["dialogue"])))

    def invite(self, inviter: Citizen, dialogue: DialogueId, uses: int = 1, *, ask: bool = False) -> str:
        answer = inviter.ask(MakeInvite(dialogue, uses, self.now // MINUTE + 7 * 24 * 60, ask))
        self.settle()
        return str(answer["invite"])

    def join(self, guest: Citizen, invite: str) -> dict[str, object]:
        answer = guest.ask(Join(decode_invite(invite), guest.name))
        self.settle()
        return answer

    def gather(self, founder: Citizen, *guests: Citizen, title: str = "Tertulia") -> DialogueId:
        """Found a dialogue and seat everybody."""
        dialogue = self.found(founder, title)
        invite = self.invite(founder, dialogue, uses=max(1, len(guests)))
        for guest in guests:
            self.join(guest, invite)
        self.wait(5_000)
        return dialogue


def house(quorum: int = 1) -> tuple[Village, DialogueId, Citizen, Citizen, Citizen]:
    """Ruth has founded, Omar facilitates too, Ada is a member."""
    village = Village()
    ruth, omar, ada = (village.citizen(name) for name in ("Ruth", "Omar", "Ada"))
    answer = ruth.ask(NewDialogue("Tertulia", village.commons.id, "Ruth", quorum))
    village.settle()
    key = DialogueId(bytes.fromhex(str(answer["dialogue"])))
    invite = village.invite(ruth, key, uses=2)
    for guest in (omar, ada):
        village.join(guest, invite)
    village.wait(5_000)
    act = ruth.ask(SetRole(key, omar.core.dialogues[key].me, True))
    village.settle()
    if act["state"] == "pending":
        omar.ask(SignAct(key, EventId(bytes.fromhex(str(act["act"])))))
        village.settle()
    return village, key, ruth, omar, ada
