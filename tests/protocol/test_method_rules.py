"""The tables of docs/spec/method.md are those that the code runs."""

from pathlib import Path

from story import Person, drawn

from tertulia.protocol.charter import Charter
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.method.rules import ABOUT, FIXED, REASONED, REASONS, STANCES, MethodNoOp, Rules, What
from tertulia.protocol.outcome import OUTCOMES
from tertulia.protocol.presets import PRESETS
from tertulia.protocol.propose import MOTIONS
from tertulia.protocol.say import FORMS

SPEC = (Path(__file__).parents[2] / "docs" / "spec" / "method.md").read_text("utf-8")


def words(found):
    return ", ".join(f"`{one}`" for one in sorted(map(str, found))) or "–"


def rows(heading):
    lines = SPEC[SPEC.index(heading) :].splitlines()[2:]
    return lines[: next(place for place, line in enumerate(lines) if not line)]


def test_what_may_be_done_with_what():
    assert rows("| what | may be about |") == [
        f"| `{what}` | {words(ABOUT.get(what, ()))} | {words(STANCES[what])} | {words(REASONED.get(what, ()))} "
        f"| {'no' if what in FIXED else 'yes'} |"
        for what in What
    ]


def test_why_not():
    assert rows("| reason | when |") == [f"| `{reason}` | {REASONS[reason]} |" for reason in MethodNoOp]


def test_every_form_that_can_be_said_is_something():
    assert FORMS | (MOTIONS - {"take"}) | (OUTCOMES - {"attach"}) == frozenset(map(str, What))


def test_the_charter_says_whether_one_may_block_and_what_is_hidden():
    newcomer = Person.named("ruth").newcomer
    said = ("Visas", newcomer, 30, FrameClass.SMALL, "since", "room", drawn("noise"))
    assert Rules.of(None) == Rules(block=False, hidden=False)
    for name, preset in PRESETS.items():
        charter = Charter(name, *said, 1, preset.terms)
        assert Rules.of(charter) == Rules(preset.terms.block, preset.terms.hidden)
    assert Rules.of(Charter("conversation", *said)) == Rules(block=False, hidden=False)
