"""The people of a dialogue on a page of their own, what was proposed among them, and what one can do about either.

PROTOCOL §4: comparing codes ends *unchecked*. §8: removal ends authority at once and cannot erase what others have
seen; the question says so. docs/spec/events.md, Acts: where several must sign, it says that a thing is only proposed.
"""

from contextlib import suppress
from typing import ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList

from tertulia.protocol.control import LocalError, Row
from tertulia.tui.act_words import lacking, only_proposed, pending, signers, what
from tertulia.tui.client import Params
from tertulia.tui.contact_words import SHOWING, SHOWN, identity_answers, identity_lines
from tertulia.tui.face import Face
from tertulia.tui.guard import line_of, rows_of
from tertulia.tui.link import Following
from tertulia.tui.phrases import member_words
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.contacts import NameScreen
from tertulia.tui.widgets.people import ACT, PeopleList
from tertulia.tui.widgets.words import Words

LOOK_SECONDS = 2.0
"""How often an open page asks what others proposed and signed: no view has it."""


class PeopleScreen(ModalScreen[None]):
    """Everybody in one dialogue."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+t", "dismiss", "Back", show=False),
        Binding("s", "sign", "Sign", show=False),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "PeopleList"

    def __init__(self, dialogue: str, title: str, people: Following) -> None:
        super().__init__()
        self._dialogue = dialogue
        self._title = title
        self._people = people
        self._acts: list[dict[str, object]] = []

    def compose(self) -> ComposeResult:
        """A heading and the list."""
        with Vertical(classes="card tall"):
            yield Words(f"People in “{self._title}”", classes="heading")
            yield PeopleList()
            yield Words("", id="said", classes="explanation")
            yield Words("", id="problem")
            yield Words("Enter: codes, who they are, role, removal · s signs · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """Show who is here now, and go on asking what waits for signatures."""
        self.query_one("#said", Words).say("")
        self.query_one("#problem", Words).say("")
        self.refresh_people()
        self.query_one(PeopleList).highlighted = 0
        self.look()
        self.set_interval(LOOK_SECONDS, self.look)

    def refresh_people(self) -> None:
        """Show the view as it is."""
        for people in self.query(PeopleList):  # none before the first paint
            people.show(self._people.view.rows, pending(self._acts))

    @work(exclusive=True, group="look")
    async def look(self) -> None:
        """Ask what was proposed."""
        with suppress(LocalError):  # a node that has gone is said elsewhere, and asked again
            await self._look()

    async def _look(self) -> None:
        acts = rows_of(await self._face.link.call("acts", dialogue=self._dialogue), "acts")
        if acts != self._acts and self.is_attached:
            self._acts = acts
            self.refresh_people()

    @property
    def _face(self) -> Face:
        return cast("Face", self.app)

    @property
    def _facilitates(self) -> bool:
        return any(row.value.get("me") and row.value.get("facilitator") for row in self._people.view.rows)

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Ask what to do about this person, or about what was proposed."""
        event.stop()
        self._open(str(event.option.id))

    def action_sign(self) -> None:
        """Ask about the proposal that is highlighted, or the first that waits for me."""
        option = self.query_one(PeopleList).highlighted_option
        waiting = [row for row in pending(self._acts) if not row.get("signed")]
        if option is not None and str(option.id).startswith(ACT):
            self._open(str(option.id))
        elif waiting:
            self._open(ACT + line_of(waiting[0], "act"))
        else:
            self.query_one("#said", Words).say("Nothing waits for your signature.")

    def _open(self, chosen: str) -> None:
        if chosen.startswith(ACT):
            for act in self._acts:
                if line_of(act, "act") == chosen.removeprefix(ACT):
                    self.ask_to_sign(act)
            return
        row = self._people.view.get(chosen)
        if row is None or row.value.get("status") != "in":
            return
        if not row.value.get("me"):
            self.ask_about(row)
        elif self._facilitates:
            self.ask_about_me(row)

    @work(exclusive=True, group="ask")
    async def ask_to_sign(self, act: dict[str, object]) -> None:
        """Say who proposed and who has signed, and sign if the person says so."""
        first, *others = signers(act) or ["somebody"]
        also = f"signed also by {', '.join(others)}" if others else "nobody else has signed"
        lines = [f"Proposed by {first}; {also}; {lacking(act)}."]
        if line_of(act, "kind") == "remove":
            lines.append("From then on they can neither read nor speak here. What they have read, they have read.")
        answers = [("back", "Back")]
        if act.get("signed"):
            lines.append("You have signed it.")
        else:
            answers.append(("sign", f"Sign: {what(act)}"))
        if await self.app.push_screen_wait(Choice(f"Proposed: {what(act)}", lines, answers)) == "sign":
            await self._do("cosign", act=line_of(act, "act"))

    @work(exclusive=True, group="ask")
    async def ask_about(self, row: Row) -> None:
        """Mark somebody as checked, change what they are, or remove them if the person says so twice over."""
        name, _ = member_words(row.value)
        code = line_of(row.value, "code")
        lines = [f"Code {code}: if {name} reads out the same one, it is really them."] if code else []
        lines += identity_lines(row.value)
        answers = [("back", "Back")]
        if not row.value.get("checked"):
            answers.append(("check", "We compared codes, they are the same"))
        answers += [("ask", f"Remove {name} …"), *identity_answers(row.value, name)]
        if row.value.get("facilitator"):
            answers.append(("member", f"Let {name} facilitate no more"))
        else:
            answers.append(("facilitator", f"Make {name} a facilitator"))
        answer = await self.app.push_screen_wait(Choice(name, lines, answers))
        if answer == "ask":
            answer = await self.app.push_screen_wait(
                Choice(
                    f"Remove {name}?",
                    ["From then on they can neither read nor speak here. What they have read, they have read."],
                    [("back", "No, they stay"), ("remove", f"Remove {name}")],
                )
            )
        if answer == "reveal":
            shown = [("back", "No, not now"), ("reveal", f"Show {name} who I am")]
            answer = await self.app.push_screen_wait(Choice(f"Show {name} who you are?", [SHOWING], shown))
        elif answer == "keep":
            self.app.push_screen(NameScreen(self._dialogue, row.id, line_of(row.value, "nick")))
        elif row.value.get("identity") == "changed":
            answer = answer if answer == "same" else "look"  # it was on the screen just now
        await self._answered(answer, row)

    @work(exclusive=True, group="ask")
    async def ask_about_me(self, row: Row) -> None:
        """Let the person facilitate no more."""
        lines = ["You facilitate here: you invite, answer who knocks, and remove people."]
        answer = await self.app.push_screen_wait(Choice("You", lines, [("back", "Back"), ("ask", "Stop that …")]))
        if answer == "ask":
            lines = ["Only another facilitator can make you one again."]
            answers = [("back", "No, I go on"), ("member", "Facilitate no more")]
            answer = await self.app.push_screen_wait(Choice("Facilitate no more?", lines, answers))
        await self._answered(answer, row)

    async def _answered(self, answer: str, row: Row) -> None:
        if answer in {"check", "remove"}:
            await self._do(answer, member=row.id)
        elif answer in {"facilitator", "member"}:
            await self._do("role", member=row.id, facilitator=answer == "facilitator")
        elif answer == "reveal":
            await self._do("reveal", members=[row.id])
        elif answer == "look":
            await self._do("verify", member=row.id)
        elif answer == "same":
            await self._do("verify", member=row.id, same=True)

    async def _do(self, method: str, **params: str | bool | list[str]) -> None:
        """Ask the node for it; say whether it is so now, or only proposed."""
        said, problem = self.query_one("#said", Words), self.query_one("#problem", Words)
        said.say("")
        problem.say("")
        try:
            result: Params = await self._face.link.call(method, dialogue=self._dialogue, **cast("Params", params))
            await self._look()
        except LocalError as wrong:
            problem.say(f"{wrong.problem.error} {wrong.problem.safe} {wrong.problem.next}")
        else:
            if line_of(result, "state") == "pending":
                said.say(only_proposed(result, self._acts))
            elif method == "reveal":
                said.say(f"Shown. {SHOWN}")
            elif method not in {"check", "verify"}:
                said.say("Done.")
        self.refresh_people()
