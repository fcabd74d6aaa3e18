"""What one machine holds of a dialogue stays bounded. Spec: docs/spec/core.md \u00a72."""

import pytest
from village import Village

from tertulia.protocol import dialogue as dialogue_module
from tertulia.protocol.event import CONTROL, Kind, make, to_item
from tertulia.protocol.ids import EventId
from tertulia.protocol.item import ItemType
from tertulia.protocol.say import Say
from tertulia.protocol.turn import Turn


def test_what_waits_for_the_unknown_is_bounded_and_the_flooder_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue_module, "LIMIT_WAITING", 5)
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    mine = ruth.core.dialogues[key]
    plenary, unknown = mine.plenary, EventId(bytes(31) + b"\x07")

    def waits(seed: bytes, number: int, lamport: int) -> None:
        event = make(
            dialogue=key, room=plenary, kind=Kind.SAY, seq=number, parents=(), control=(unknown,), lamport=lamport,
            tick=village.now // 60_000, session_seed=seed, salt=village.dice.randbytes(16),
            body=Say("message", f"{number}").encode(),
        )  # fmt: skip
        overlay = ruth.core.stage()
        overlay.own(key).accept(Turn(village.now, village.dice.randbytes), event)
        effects = list(overlay.settle(village.now))
        ruth.commit(overlay, effects)

    waits(ada.core.dialogues[key].session.seed, 1, 50)
    for number in range(1, 10):
        waits(omar.core.dialogues[key].session.seed, number, 20 + number)
    after = ruth.core.dialogues[key]
    held = [after.events[event] for event in after.state.waiting]
    assert len(held) == 5
    assert sorted(event.header.lamport for event in held) == [21, 22, 23, 24, 50]
    assert to_item(held[0]).type == ItemType.EVENT
    assert plenary != CONTROL
