"""What I know of other people's identities, and to whom I have shown mine: only in my vault, never told to anybody.

Implements docs/spec/identity.md, section Contacts. `Contact` is an identity that somebody has shown me; with a `name`
of my own it is one I keep. `Shown` is what one member of one dialogue and I have shown each other. A key that changed
stays *changed* until I have looked, and what I compared stays compared only while it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from tertulia.protocol.effects import Table, View
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.identity import LIMIT_DEVICE_LIST, DeviceList, Identity, new_identity, safety_number
from tertulia.protocol.ids import CommonsId, DialogueId, PersonaId
from tertulia.protocol.offer import contact_keys
from tertulia.protocol.shape import as_bytes, as_int, as_list, as_text

if TYPE_CHECKING:
    from tertulia.protocol.frame import FrameKeys
    from tertulia.protocol.turn import Turn

LIMIT_CONTACTS: Final = 256
"""Contacts one keeps: a lane to each is tried on every large frame."""
LIMIT_CONTACT_COMMONS: Final = 8
"""Communities in which one contact is reached: those where they were met last."""
LIMIT_CONTACT_NAME: Final = 80
"""Characters of a contact's name, and of what they call themselves."""
LIMIT_CONTACT_ROW: Final = LIMIT_DEVICE_LIST + 2_048
"""Bytes of one vault row of a contact."""
MINE: Final = b"mine"
"""The name of the row with my own identity."""


class Told(IntEnum):
    """Whether a member has been shown my identity."""

    NO = 0
    OWED = 1
    """I want them to know; it goes out when it can be sealed to them."""
    YES = 2


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody's identity, as they showed it last.

    `called` is their nickname at that time, `name` mine for them (empty: not kept), `commons` where they are reached,
    newest last. `met`: they know mine. `looked` and `compared`: the digest of the list I last looked at, and compared.
    """

    devices: DeviceList
    called: str
    commons: tuple[CommonsId, ...]
    met: bool = False
    name: str = ""
    looked: bytes = b""
    compared: bytes = b""

    @property
    def root(self) -> bytes:
        """Who it is."""
        return self.devices.root

    @property
    def is_verified(self) -> bool:
        """I have compared safety numbers, and nothing has changed since."""
        return self.compared == self.devices.digest

    @property
    def is_changed(self) -> bool:
        """Their devices are others than when I last looked."""
        return self.looked != self.devices.digest

    def encode(self) -> bytes:
        """Its vault row."""
        listed = self.devices.to_value()
        return encode([listed, self.called, self.commons, int(self.met), self.name, self.looked, self.compared])

    @classmethod
    def decode(cls, row: bytes) -> Contact:
        """Raises RemoteError when the row is not one of ours."""
        listed, called, commons, met, name, looked, compared = as_list(decode(row, LIMIT_CONTACT_ROW), 7)
        return cls(
            DeviceList.from_value(listed),
            as_text(called, LIMIT_CONTACT_NAME),
            tuple(CommonsId(as_bytes(one, 32)) for one in as_list(commons, most=LIMIT_CONTACT_COMMONS)),
            bool(as_int(met, 0, 1)),
            as_text(name, LIMIT_CONTACT_NAME),
            as_bytes(looked, most=32),
            as_bytes(compared, most=32),
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """What a member and I have shown each other: my identity to them, and the root of theirs, if any.

    `before` is another root, which I knew them by: theirs here, or that of the contact who bears their name. It goes
    when I have looked.
    """

    told: Told = Told.NO
    root: bytes = b""
    before: bytes = b""

    def encode(self) -> bytes:
        """Its vault row."""
        return encode([int(self.told), self.root, self.before])

    @classmethod
    def decode(cls, row: bytes) -> Shown:
        """Raises RemoteError when the row is not one of ours."""
        told, root, before = as_list(decode(row, 256), 3)
        return cls(Told(as_int(told, 0, 2)), as_bytes(root, most=32), as_bytes(before, most=32))


Where = tuple[DialogueId, PersonaId]
"""A member of a dialogue."""


@dataclass(slots=True)
class Knowing:
    """My identity, those that I know, and who has shown what to whom."""

    mine: Identity | None = field(default=None, repr=False)
    contacts: dict[bytes, Contact] = field(default_factory=dict, repr=False)
    shown: dict[Where, Shown] = field(default_factory=dict, repr=False)
    _lanes: dict[bytes, tuple[FrameKeys, ...]] = field(default_factory=dict, repr=False)
    """The lanes of each list of devices that were asked for."""

    def branch(self) -> Knowing:
        """A copy that may be changed without this one noticing."""
        return Knowing(self.mine, dict(self.contacts), dict(self.shown), dict(self._lanes))

    def me(self, turn: Turn) -> Identity:
        """My identity; drawn when it is first asked for."""
        if self.mine is None:
            self.mine = new_identity(turn.entropy)
            turn.put(Table.IDENTITY, MINE, self.mine.encode())
        return self.mine

    def between(self, dialogue: DialogueId, persona: PersonaId) -> Shown:
        """What this member and I have shown each other."""
        return self.shown.get((dialogue, persona), Shown())

    def of(self, dialogue: DialogueId, persona: PersonaId) -> Contact | None:
        """The identity that this member has shown me."""
        return self.contacts.get(self.between(dialogue, persona).root)

    def lanes(self, contact: Contact) -> tuple[FrameKeys, ...]:
        """The keys of the frames to and from each of a contact's devices; none unless both know who the other is."""
        if self.mine is None or not contact.met:
            return ()
        name = contact.devices.digest
        if name not in self._lanes:
            self._lanes[name] = tuple(contact_keys(self.mine, device) for device in contact.devices.devices)
        return self._lanes[name]

    @property
    def kept(self) -> tuple[Contact, ...]:
        """The contacts, by my names for them."""
        return tuple(
            sorted((one for one in self.contacts.values() if one.name), key=lambda one: (one.name.casefold(), one.root))
        )

    def number(self, contact: Contact) -> str:
        """The safety number to compare; empty until both have shown who they are."""
        return "" if self.mine is None or not contact.met else safety_number(self.mine.devices, contact.devices)

    def is_changed(self, dialogue: DialogueId, persona: PersonaId) -> bool:
        """This member's identity is not what I knew, and I have not looked since."""
        contact = self.of(dialogue, persona)
        return contact is not None and (contact.is_changed or bool(self.between(dialogue, persona).before))

    def keep(self, turn: Turn, contact: Contact) -> None:
        """Write what I know of somebody."""
        self.contacts[contact.root] = contact
        turn.put(Table.CONTACT, contact.root, contact.encode())
        turn.changed(View.CONTACTS)

    def note(self, turn: Turn, where: Where, shown: Shown) -> None:
        """Write what a member and I have shown each other; an identity that nobody bears any more is forgotten."""
        before = self.between(*where)
        self.shown[where] = shown
        turn.put(Table.SHOWN, where[0] + where[1], shown.encode())
        turn.changed(View.PEOPLE, where[0])
        for root in {before.root, before.before} - {shown.root, shown.before}:
            self._tidy(turn, root)

    def forget(self, turn: Turn, contact: Contact) -> None:
        """Keep somebody no longer, under any name."""
        self.keep(turn, replace(contact, name="", compared=b""))
        self._tidy(turn, contact.root)

    def _tidy(self, turn: Turn, root: bytes) -> None:
        contact = self.contacts.get(root)
        borne = any(root in {shown.root, shown.before} for shown in self.shown.values())
        if contact is not None and not contact.name and not borne:
            del self.contacts[root]
            turn.erase(Table.CONTACT, root)
            turn.changed(View.CONTACTS)


def load(rows: Mapping[Table, Iterable[tuple[bytes, bytes]]]) -> Knowing:
    """What the vault holds of it; nothing in one from before this was kept. Raises RemoteError for a damaged row."""
    found = Knowing()
    for _key, row in rows.get(Table.IDENTITY, ()):
        found.mine = Identity.decode(row)
    found.contacts = {key: Contact.decode(row) for key, row in rows.get(Table.CONTACT, ())}
    for key, row in rows.get(Table.SHOWN, ()):
        found.shown[DialogueId(key[:32]), PersonaId(key[32:])] = Shown.decode(row)
    return found
