"""The people of a world: they found dialogues, invite, join one after the other, talk, leave, are removed, come back.

docs/guide/mesh.md, *People*. They ask their cores for nothing but commands, and only while their nodes run; what was
refused is tried again later, as a person would. Invariants: founders are honest; what a person was told is kept is told
to the oracle, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tertulia.protocol import views
from tertulia.protocol.dialogue import Standing
from tertulia.protocol.effects import Refuse, Reply
from tertulia.protocol.ids import DialogueId, PersonaId
from tertulia.protocol.inputs import (
    AdmitKnock,
    Command,
    Join,
    LeaveDialogue,
    MakeInvite,
    NewDialogue,
    RemoveMember,
    SayText,
)
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from tertulia.bootstrap.mesh.dice import Dice
    from tertulia.bootstrap.mesh.node import Node
    from tertulia.bootstrap.mesh.world import World
    from tertulia.protocol.encoding import Value

AGAIN_MS: Final = 10 * MS_PER_MINUTE
"""How much later somebody tries again what their node could not do."""
LOOK_MS: Final = 30 * MS_PER_MINUTE
"""How often a founder looks who is knocking."""
USES: Final = 30
DAY: Final = 24 * 60 * MS_PER_MINUTE
Then = Callable[[dict[str, "Value"]], None]


@dataclass(slots=True)
class Circle:
    """One dialogue, as its people speak of it."""

    founder: Node
    guests: list[Node]
    id: DialogueId | None = None
    said: int = 0
    gone: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class People:
    """Everybody's intentions, drawn when the world begins."""

    world: World
    dice: Dice
    circles: list[Circle] = field(default_factory=list)

    def begin(self) -> None:
        """Draw who talks with whom, and when they do what."""
        talk = self.world.scenario.talk
        length = int(self.world.scenario.days * DAY)
        founders = self.dice.sample(self.world.honest, min(talk.dialogues, len(self.world.honest)))
        for founder in founders:
            others = [node for node in self.world.nodes if node is not founder]
            circle = Circle(founder, self.dice.sample(others, talk.members - 1))
            self.circles.append(circle)
            self._at(self.dice.randrange(MS_PER_MINUTE, AGAIN_MS), lambda circle=circle: self._found(circle))  # type: ignore[misc]
            for guest in circle.guests:
                at = AGAIN_MS + round(self.dice.random() * talk.gather * length)
                self._at(at, lambda circle=circle, guest=guest: self._bring(circle, guest))  # type: ignore[misc]
            for _ in range(round(talk.says * self.world.scenario.days)):
                self._at(self.dice.randrange(length), lambda circle=circle: self._speak(circle))  # type: ignore[misc]
            gathered = talk.gather
            for act, times in ((self._leave, talk.leaves), (self._remove, talk.removals)):
                for _ in range(times):
                    at = round(self.dice.uniform(gathered, 0.85) * length)
                    self._at(at, lambda circle=circle, act=act: act(circle))  # type: ignore[misc]
            for _ in range(talk.returns):
                at = round(self.dice.uniform(0.8, 0.95) * length)
                self._at(at, lambda circle=circle: self._return(circle))  # type: ignore[misc]

    def _at(self, elapsed: int, work: Callable[[], None]) -> None:
        self.world.loop.after(max(1, elapsed), work)

    # What they do ---------------------------------------------------------------------------------------------------

    def _found(self, circle: Circle) -> None:
        def founded(answer: dict[str, Value]) -> None:
            circle.id = DialogueId(bytes.fromhex(str(answer["dialogue"])))
            self.world.note(circle.founder.number, "founded", circle.id.hex()[:8])
            self._look(circle)

        command = NewDialogue(f"Tertulia {self.world.needle}", self.world.commons.id, circle.founder.name)
        self._ask(circle.founder, lambda: command, founded)

    def _bring(self, circle: Circle, guest: Node) -> None:
        """An invite of the founder's, and the guest who follows it."""
        asking = self.dice.random() < self.world.scenario.talk.asking

        def invite() -> Command | None:
            if circle.id is None:
                return None
            return MakeInvite(circle.id, USES, circle.founder.now // MS_PER_MINUTE + 2 * 24 * 60, asking)

        def invited(answer: dict[str, Value]) -> None:
            join = Join(decode_invite(str(answer["invite"])), guest.name)
            self._ask(guest, lambda: join, lambda _: self.world.note(guest.number, "joins"))

        self._ask(circle.founder, invite, invited)

    def _look(self, circle: Circle) -> None:
        """The founder lets in whoever is waiting."""
        core = circle.founder.core
        if core is not None:
            for row in views.knocks(core):
                if row["state"] == "waiting":
                    command = AdmitKnock(bytes.fromhex(str(row["knock"])))
                    circle.founder.ask(command, lambda _: None)
        self.world.loop.after(LOOK_MS, lambda: self._look(circle))

    def _speak(self, circle: Circle) -> None:
        """Somebody who can, says something; if it is refused it stays unsaid."""
        key = circle.id
        able = [node for node in self._here(circle) if len(node.core.dialogues[key].state.roster) > 1]  # type: ignore[union-attr,index]
        if not able or key is None:
            return
        speaker = self.dice.choice(able)
        circle.said += 1
        text = f"{self.world.needle} {circle.said} " + "palabra " * self.dice.randrange(40)

        def answered(answer: Reply | Refuse) -> None:
            self.world.counts["says" if isinstance(answer, Reply) else "refused says"] += 1
            if isinstance(answer, Reply):
                self.world.oracle.acknowledged(speaker, key, bytes.fromhex(str(answer.value["id"])))

        speaker.ask(SayText(key, text), answered)

    def _leave(self, circle: Circle) -> None:
        able = [node for node in self._here(circle) if node is not circle.founder and not node.hostile]
        if able and circle.id is not None:
            goes = self.dice.choice(able)
            circle.gone.append(goes)
            self._once(goes, LeaveDialogue(circle.id), "leaves")

    def _remove(self, circle: Circle) -> None:
        core = circle.founder.core
        if core is None or circle.id is None:
            self.world.loop.after(AGAIN_MS, lambda: None if self.world.healed else self._remove(circle))
            return
        dialogue = core.dialogues[circle.id]
        able = sorted(dialogue.state.roster - {dialogue.me})
        if able:
            whom = PersonaId(self.dice.choice(able))
            circle.gone += [node for node in circle.guests if self._persona(node, circle.id) == whom]
            self._once(circle.founder, RemoveMember(circle.id, whom), "removes")

    def _return(self, circle: Circle) -> None:
        if circle.gone:
            self._bring(circle, circle.gone.pop(self.dice.randrange(len(circle.gone))))

    # How they do it -------------------------------------------------------------------------------------------------

    def _here(self, circle: Circle) -> list[Node]:
        """Those whose nodes run and who are in, as far as they know."""
        key = circle.id
        return [
            node
            for node in (circle.founder, *circle.guests)
            if key is not None
            and node.core is not None
            and key in node.core.dialogues
            and node.core.dialogues[key].standing is Standing.IN
        ]

    def _persona(self, node: Node, key: DialogueId) -> PersonaId | None:
        return None if node.core is None or key not in node.core.dialogues else node.core.dialogues[key].me

    def _once(self, node: Node, command: Command, what: str) -> None:
        self.world.note(node.number, what)
        self.world.counts[what] += 1
        node.ask(command, lambda _: None)

    def _ask(self, node: Node, command: Callable[[], Command | None], then: Then) -> None:
        """Ask until it is done: the node may be down, the disk full, the answer lost with the machine."""
        done = False

        def answered(answer: Reply | Refuse) -> None:
            nonlocal done
            if isinstance(answer, Reply) and not done:
                done = True
                then(answer.value)

        def attempt() -> None:
            if done:
                return
            asked = command() if node.core is not None and node.core.commons else None
            if asked is not None:
                node.ask(asked, answered)
            self.world.loop.after(AGAIN_MS, attempt)

        attempt()
