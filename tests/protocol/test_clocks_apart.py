"""Members whose clocks differ by up to two hours. Spec: docs/spec/core.md (open shares), GOALS R2."""

from __future__ import annotations

from village import MINUTE, Citizen, Village

from tertulia.protocol import rotation
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import FrameArrived
from tertulia.protocol.turn import Turn


def test_what_came_before_its_door_is_found_though_its_minute_is_long_before_the_epoch() -> None:
    """Ruth's clock is 110 minutes ahead of Omar's, and Omar's word reaches Ada before Ruth's."""
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    invite = village.invite(ruth, key)
    village.offline(ada)
    village.now += 110 * MINUTE
    selam = village.citizen("Selam")
    village.join(selam, invite)
    village.wait(5_000)
    village.now -= 110 * MINUTE
    renew_session(omar, key)
    village.settle()
    introduced = omar.published[-1]
    ada.archive[introduced.id] = introduced
    ada.run(FrameArrived(village.commons.id, introduced))
    village.online(ada)
    assert omar.core.dialogues[key].session.actor in ada.core.dialogues[key].state.actors
    assert ada.state_hash(key) == ruth.state_hash(key)


def renew_session(citizen: Citizen, key: DialogueId) -> None:
    overlay = citizen.core.stage()
    turn = Turn(citizen.village.now, overlay.entropy)
    rotation.introduce(overlay, turn, overlay.own(key))
    citizen.commit(overlay, [*turn.effects, *overlay.settle(citizen.village.now)])
