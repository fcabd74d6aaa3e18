"""Two admissions close to each other: whoever is let in gets a seat, and hears what was on its way meanwhile."""

from village import DAY, MINUTE, Citizen, Village

from tertulia.protocol import views
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import FrameArrived, TimerFired


def admit_now(village: Village, founder: Citizen, dialogue: DialogueId) -> None:
    """Let the time for gathering knocks run out, and do nothing else yet."""
    village.now += 3_000
    founder.timers.clear()
    founder.run(TimerFired(f"admit:{dialogue.hex()}"))


def joined(guest: Citizen) -> list[object]:
    return [row["state"] for row in views.joins(guest.core)]


def test_a_welcome_that_was_being_sealed_while_somebody_else_came_still_seats() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue, uses=2)
    village.join(omar, invite)
    admit_now(village, ruth, dialogue)
    ((_, epoch),) = village.later
    village.later.clear()
    ruth.run(*epoch)  # the epoch with Omar stands; his welcome is being sealed
    (welcome,) = village.later
    village.later.clear()
    village.join(ada, invite)
    admit_now(village, ruth, dialogue)
    village.later.append(welcome)
    village.settle()
    assert joined(omar) == joined(ada) == ["admitted"]
    omar.say(dialogue, "Made it.")
    village.settle()
    assert ruth.reads(dialogue) == omar.reads(dialogue) == ada.reads(dialogue) == ["Omar: Made it."]
    assert len({one.state_hash(dialogue) for one in (ruth, omar, ada)}) == 1


class Slow(Village):
    """A village in which what one citizen sends is on its way until it is let go."""

    slow: Citizen | None = None

    def carry(self, sender, frame) -> None:
        if sender is self.slow:
            self.held.append((sender, frame))
        else:
            super().carry(sender, frame)

    def hold(self, citizen: Citizen) -> None:
        self.slow, self.held = citizen, []

    def let_go(self) -> None:
        self.slow = None
        self.wire += self.held


def overtaken() -> tuple[Slow, Citizen, Citizen, Citizen, DialogueId]:
    """Ada was admitted while Omar's acceptance, under the door of those who were in before, was on its way."""
    village = Slow()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue, uses=2)
    village.join(omar, invite)
    admit_now(village, ruth, dialogue)
    village.hold(omar)
    village.settle()
    assert joined(omar) == ["admitted"]
    assert village.held
    village.join(ada, invite)
    village.wait(5_000)
    assert joined(ada) == ["admitted"]
    return village, ruth, omar, ada, dialogue


def test_newcomers_hear_what_overtook_their_admission() -> None:
    village, ruth, omar, ada, dialogue = overtaken()
    village.let_go()
    village.settle()
    omar.say(dialogue, "I had accepted before.")
    village.settle()
    assert ada.reads(dialogue) == ruth.reads(dialogue) == ["Omar: I had accepted before."]
    assert not ada.core.dialogues[dialogue].state.waiting
    assert len({one.state_hash(dialogue) for one in (ruth, omar, ada)}) == 1


def test_newcomers_hear_it_from_the_facilitator_when_its_author_has_gone() -> None:
    village, ruth, omar, ada, dialogue = overtaken()
    first = village.held[:1]  # what Omar sent before he heard of Ada
    village.held.clear()
    omar.online = False
    for _, frame in first:
        for other in (ruth, ada):
            other.archive[frame.id] = frame
            village.later.append((other, (FrameArrived(village.commons.id, frame),)))
    village.settle()
    ruth.say(dialogue, "Omar has accepted.")
    village.settle()
    assert ada.reads(dialogue) == ["Ruth: Omar has accepted."]
    assert ruth.state_hash(dialogue) == ada.state_hash(dialogue)


def test_newcomers_hear_it_from_its_author_when_the_facilitator_has_gone() -> None:
    village, ruth, omar, ada, dialogue = overtaken()
    village.offline(ruth)
    village.let_go()
    village.settle()
    omar.say(dialogue, "Ruth has gone.")
    village.settle()
    assert ada.reads(dialogue) == ["Omar: Ruth has gone."]
    village.online(ruth)
    assert ruth.reads(dialogue) == ["Omar: Ruth has gone."]
    assert len({one.state_hash(dialogue) for one in (ruth, omar, ada)}) == 1


def test_what_was_said_behind_the_present_door_is_not_said_again() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    dialogue = village.gather(ruth, omar, ada)
    before = told(ruth)
    for day in range(1, 4):
        village.wait(DAY + MINUTE)
        omar.say(dialogue, f"Day {day}.")  # under a new session key, which everybody is told
        village.settle()
    assert len(ruth.core.dialogues[dialogue].state.actors) >= 9
    assert told(ruth) == before + 3  # her own session keys, and nothing of the others


def told(citizen: Citizen) -> int:
    """How many frames of control events a citizen has sent under the present door."""
    return sum(frame.frame_class is FrameClass.MEDIUM for frame in citizen.published)
