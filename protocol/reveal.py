"""A reveal: I show one member of a dialogue which identity my persona in it belongs to, and nobody else.

Implements docs/spec/identity.md, section Reveal: a letter to their prekey with my list of devices and a MAC under DH(my
device, their persona). Only a holder of that device, or the one it is shown to, can make the MAC: it convinces them and
proves nothing to anybody. The root signs the list alone, which names no dialogue and no persona.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol import hpke
from tertulia.protocol.crypto import KEY, NONCE, SEAL, dh, equal, keyed
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.identity import LIMIT_DEVICE_LIST, LIMIT_DEVICES, DeviceList, Identity
from tertulia.protocol.ids import DialogueId, PersonaId, PrekeyId
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.letter import letter, open_letter
from tertulia.protocol.persona import Persona, PersonaKeys
from tertulia.protocol.prekey import Prekey, PrekeySecret
from tertulia.protocol.shape import as_bytes, as_id, as_int, as_list
from tertulia.protocol.share import HpkeRequest

CONTEXT: Final = len(encode([Label.REVEAL, *[bytes(32)] * 4]))
"""Bytes of the context."""
LIMIT_REVEAL_WORDS: Final = LIMIT_DEVICE_LIST + 256
"""Bytes of what is sealed, besides the context."""
LIMIT_REVEAL: Final = hpke.OVERHEAD + NONCE + SEAL + CONTEXT + LIMIT_REVEAL_WORDS
"""Bytes of a sealed reveal."""


@dataclass(frozen=True, slots=True)
class Reveal:
    """An identity for the owner of a prekey."""

    sender: PersonaId
    prekey: PrekeyId
    sealed: bytes = field(repr=False)

    def to_item(self) -> Item:
        """`[sender, prekey, sealed]`."""
        return Item(ItemType.REVEAL, [self.sender, self.prekey, self.sealed])

    @classmethod
    def from_value(cls, value: Value) -> Reveal:
        """Read `[sender, prekey, sealed]`. Raises RemoteError(SHAPE)."""
        sender, prekey, sealed = as_list(value, 3)
        return cls(PersonaId(as_id(sender)), PrekeyId(as_id(prekey)), as_bytes(sealed, most=LIMIT_REVEAL))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reveal belongs: from one persona to another in a dialogue. Its direction is part of what is proved."""

    dialogue: DialogueId
    sender: PersonaId
    recipient: PersonaId

    def context(self, prekey: PrekeyId) -> bytes:
        """What binds it to its place: CBOR [label, dialogue, sender, recipient, prekey]."""
        return encode([Label.REVEAL, self.dialogue, self.sender, self.recipient, prekey])

    def mac(self, shared: bytes, devices: DeviceList) -> bytes:
        """The 32 bytes by which the recipient knows whose device spoke; `shared` is the DH of device and persona."""
        covered = encode([self.dialogue, self.sender, self.recipient, devices.root, devices.digest])
        return keyed(Label.REVEAL_MAC, shared, covered)


def request(
    place: Place, mine: Identity, persona: Persona, theirs: PersonaKeys, prekey: Prekey, nonce: bytes
) -> HpkeRequest:
    """What the driver must seal so that `theirs` learns who I am; `nonce` is 24 random bytes."""
    shared = dh(mine.box_secret, theirs.box)
    if shared is None:  # `PersonaKeys.from_value` lets nobody have such a key
        raise ValueError("a public key of low order cannot be shown anything")
    words = encode([mine.devices.to_value(), 0, place.mac(shared, mine.devices)])
    return letter(persona.box_secret, prekey.box, prekey.hpke, nonce, place.context(prekey.id), words)


def open_reveal(place: Place, reveal: Reveal, prekey: PrekeySecret, sender: PersonaKeys, me: Persona) -> DeviceList:
    """Whose device it is that speaks for the sender.

    Raises RemoteError: SEAL where it does not open; what `DeviceList.from_value` raises; SHAPE; PROOF for a wrong MAC.
    """
    context = place.context(reveal.prekey)
    words = open_letter(prekey.box_secret, prekey.hpke_seed, sender.box, context, reveal.sealed)
    if words is None:
        raise RemoteError(RejectReason.SEAL, "reveal")
    listed, index, mac = as_list(decode(words, LIMIT_REVEAL_WORDS), 3)
    devices = DeviceList.from_value(listed)
    number = as_int(index, 0, LIMIT_DEVICES - 1)
    if number >= len(devices.devices):
        raise RemoteError(RejectReason.SHAPE, "no such device")
    shared = dh(me.box_secret, devices.devices[number].box)
    if shared is None or not equal(place.mac(shared, devices), as_bytes(mac, KEY)):
        raise RemoteError(RejectReason.PROOF, "reveal")
    return devices
