"""Members of a dialogue who show who they are, as their clients do it and as a hostile one may."""

from __future__ import annotations

from dataclasses import replace

from village import Citizen, Village

from tertulia.protocol import hpke, keyring, reveal, views
from tertulia.protocol.crypto import sign
from tertulia.protocol.identity import DeviceList, Identity
from tertulia.protocol.ids import DialogueId, PersonaId
from tertulia.protocol.inputs import RevealMe, Verify
from tertulia.protocol.item import Item
from tertulia.protocol.labels import Label
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.reveal import Place, Reveal
from tertulia.protocol.turn import Turn


def gathered(*names: str) -> tuple[Village, DialogueId, list[Citizen]]:
    village = Village()
    people = [village.citizen(name) for name in names]
    return village, village.gather(*people), people


def persona(citizen: Citizen, key: DialogueId) -> PersonaId:
    return citizen.core.dialogues[key].me


def show(village: Village, key: DialogueId, citizen: Citizen, *to: Citizen) -> None:
    citizen.ask(RevealMe(key, frozenset(persona(one, key) for one in to)))
    village.settle()


def seen(by: Citizen, key: DialogueId, of: Citizen) -> dict[str, object]:
    """What a row of the people says of somebody's identity."""
    rows = {row["member"]: row for row in views.people(by.core, key)}
    return rows[persona(of, key).hex()]


def verify(by: Citizen, key: DialogueId, of: Citizen, *, same: bool = False) -> dict[str, object]:
    return by.ask(Verify(key, persona(of, key), same))


def forged(village: Village, key: DialogueId, by: Citizen, to: Citizen, mine: Identity) -> None:
    """By's own program shows this identity, whatever its core thinks."""
    core = by.core.stage()
    turn = Turn(village.now, core.entropy)
    here, there = core.own(key), to.core.dialogues[key]
    prekey = keyring.live_prekey(here, there.me, turn.minute)
    assert prekey is not None
    place = Place(key, here.me, there.me)
    one = reveal.request(place, mine, here.persona, there.persona.keys, prekey, turn.entropy(24))
    item = Reveal(here.me, prekey.id, hpke.seal(one.public, one.info, one.plaintext)).to_item()
    send(village, key, by, to, item)


def send(village: Village, key: DialogueId, by: Citizen, to: Citizen, item: Item) -> None:
    core = by.core.stage()
    turn = Turn(village.now, core.entropy)
    lane = Lane(LaneKind.PAIR, key, persona(to, key))
    core.outbox.queue(turn, Entry(village.commons.id, lane, (item,)))
    by.commit(core, [*turn.effects, *core.settle(village.now)])
    village.settle()


def another(name: str, devices: DeviceList | None = None) -> Identity:
    made = Identity(name.encode().ljust(32), name.encode().rjust(32), name.encode().ljust(96))
    if devices is not None:
        object.__setattr__(made, "devices", devices)
    return made


def later(mine: Identity, device: Identity, counter: int) -> Identity:
    """Another device of the same root, in a list with this counter."""
    listed = DeviceList(mine.devices.root, counter, device.devices.devices, b"")
    signed = replace(listed, proof=sign(mine.seed, Label.DEVICES, listed.signed))
    made = another("any", signed)
    object.__setattr__(made, "box_secret", device.box_secret)
    return made


