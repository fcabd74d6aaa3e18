"""Who is in the dialogue, one person a line, their standing in words below the name; before them what was proposed.

PROTOCOL §5: until two people have compared codes, a member reads *unchecked*. Names come from peers: no markup.
"""

from collections.abc import Mapping, Sequence

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tertulia.protocol.control import Row
from tertulia.tui.act_words import proposal
from tertulia.tui.guard import line_of
from tertulia.tui.phrases import member_words

ACT = "act:"
"""What the option of a proposal is called by, before its id."""


class PeopleList(OptionList):
    """The members of one dialogue."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, markup=False, compact=True)

    def show(self, rows: Sequence[Row], acts: Sequence[Mapping[str, object]] = ()) -> None:
        """Show these proposals, then these members, those still in first; what is highlighted stays so."""
        kept = self.highlighted_option.id if self.highlighted_option is not None else None
        ordered = sorted(rows, key=lambda row: row.value.get("status") != "in")
        options = [Option(_two_lines(*proposal(act)), id=ACT + line_of(act, "act")) for act in acts]
        options += [Option(_two_lines(*_standing(row)), id=row.id) for row in ordered]
        self.set_options(options)
        index = next((number for number, option in enumerate(options) if option.id == kept), None)
        self.highlighted = index if index is not None else 0 if kept is not None and options else None


def _standing(row: Row) -> tuple[str, str]:
    name, standing = member_words(row.value, code=False)
    return name, standing or "in"


def _two_lines(above: str, below: str) -> Content:
    return Content(f"{above}\n") + Content.styled(below, "$text-muted")
