"""Saying by the method, from command to screen: refused where it would have no effect, and shown where it has one."""

import pytest
from village import Refused, Village

from tertulia.protocol import views, views_matters
from tertulia.protocol.errors import LocalError
from tertulia.protocol.ids import EventId
from tertulia.protocol.inputs import Utter
from tertulia.protocol.propose import Action, Amendment, Proposal, Take
from tertulia.protocol.revise import Edit, Withdraw
from tertulia.protocol.say import Form, Say
from tertulia.protocol.stance import Stance, Value


class Pair:
    """Ruth and Omar, in a dialogue."""

    def __init__(self) -> None:
        self.village = Village()
        self.ruth, self.omar = self.village.citizen("Ruth"), self.village.citizen("Omar")
        self.key = self.village.gather(self.ruth, self.omar)

    def utter(self, who, words) -> EventId:
        found = EventId(bytes.fromhex(who.ask(Utter(self.key, words))["id"]))
        self.village.settle()
        return found

    def rows(self, who):
        return {bytes.fromhex(row["id"]): row for row in views_matters.matters(who.core, self.key)}


@pytest.fixture
def pair():
    return Pair()


def test_a_statement_is_shown_to_all_with_where_people_stand(pair):
    said = pair.utter(pair.ruth, Say(Form.STATEMENT, "Visas take too long.", "en"))
    assert [row["text"] for _, row in views.messages(pair.omar.core, pair.key)] == ["Visas take too long."]
    pair.utter(pair.omar, Stance(said, Value.DISAGREE, "They do not"))
    pair.utter(pair.ruth, Stance(said, Value.NEEDS_SOURCE))
    assert pair.rows(pair.ruth) == pair.rows(pair.omar) | {said: {**pair.rows(pair.omar)[said], "mine": ""}}
    row = pair.rows(pair.omar)[said]
    assert (row["mine"], row["agree"], row["disagree"], row["needs_source"]) == ("disagree", 0, 1, 1)
    assert (row["objector"], row["objection"], row["hidden"]) == ("Omar", "They do not", False)
    # A stance is no message: nothing is unread, nothing is on the screen.
    assert len(views.messages(pair.ruth.core, pair.key)) == 1


def test_what_would_have_no_effect_is_refused_with_the_reason_and_nothing_is_written(pair):
    said = pair.utter(pair.ruth, Say(Form.STORY, "My grandmother waited."))
    pilot = pair.utter(pair.ruth, Proposal("Pilot", "Fifty"))
    pair.ruth.say(pair.key, "a message")
    for words, sentence in (
        (Stance(said, Value.AGREE), "a story is heard or asked about"),
        (Stance(pilot, Value.DISAGREE), "says why"),
        (Stance(pilot, Value.BLOCK, "no"), "allows no block"),
        (Edit(said, 1, "mine now"), "only who said it"),
        (Take(pilot), "does not go with"),
        (Say(Form.STATEMENT, "x" * 2_000), "too long"),
        (Say(Form.REPLY, "to whom?"), "missing"),
    ):
        with pytest.raises(Refused, match=sentence):
            pair.omar.ask(Utter(pair.key, words))
    pair.village.settle()
    assert len(pair.omar.core.dialogues[pair.key].state.rooms[pair.omar.core.dialogues[pair.key].plenary].log) == 3


def test_a_proposal_moves_and_an_action_has_its_owner(pair):
    pilot = pair.utter(pair.ruth, Proposal("Pilot", "Fifty"))
    sixty = pair.utter(pair.omar, Amendment(pilot, "Sixty"))
    pair.utter(pair.ruth, Take(sixty))
    me = pair.omar.core.dialogues[pair.key].me
    action = pair.utter(pair.ruth, Action("Write", "", "", me, 60, 120))
    rows = pair.rows(pair.omar)
    assert rows[pilot]["versions"] == [pilot.hex(), sixty.hex()]
    assert (rows[sixty]["text"], rows[sixty]["title"], rows[sixty]["about"]) == ("Sixty", "", pilot.hex())
    assert (rows[action]["owner"], rows[action]["deadline"], rows[action]["review"]) == ("Omar", 3_600_000, 7_200_000)
    nobody = pair.utter(pair.ruth, Action("Write", "", "", bytes(32), 60))
    assert pair.rows(pair.omar)[nobody]["owner"] == "00000000"
    pair.utter(pair.ruth, Withdraw(action, 1))
    assert pair.rows(pair.omar)[action]["withdrawn"]


def test_what_is_meant_is_named_by_the_start_of_its_id(pair):
    said = pair.utter(pair.ruth, Say(Form.STATEMENT, "Visas take too long."))
    assert views_matters.resolve_matter(pair.omar.core, pair.key, said.hex()[:6]) == said
    with pytest.raises(LocalError):
        views_matters.resolve_matter(pair.omar.core, pair.key, "00")
