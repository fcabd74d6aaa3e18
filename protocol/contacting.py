"""Keeping contacts under my own names for them, and inviting one without a line of text or a QR.

Implements docs/spec/identity.md, sections Contacts and Offer, and docs/spec/core.md §5. A contact is reached only where
both have shown who they are and both keep the other, so nobody is written to who did not want to be. What is offered
waits in the vault until it is sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tertulia.protocol.contact import LIMIT_CONTACT_NAME, LIMIT_CONTACTS, Contact
from tertulia.protocol.effects import Table, View
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.joining import join_id
from tertulia.protocol.keyring import NONCE_BYTES
from tertulia.protocol.offer import Offer, offer_item, open_offer, request
from tertulia.protocol.outbox import Entry, lane_of_keys
from tertulia.protocol.recogniser import ALWAYS, OnContact, Trial
from tertulia.protocol.refusal import refuse
from tertulia.protocol.shape import as_bool, as_bytes, as_list
from tertulia.protocol.text import clean_name

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.identity import Identity
    from tertulia.protocol.ids import CommonsId
    from tertulia.protocol.inputs import KeepContact, NameContact, OfferInvite
    from tertulia.protocol.item import Item
    from tertulia.protocol.turn import Turn

LIMIT_OFFERS: Final = 8
"""Invites of one contact that wait for me; of more the oldest goes."""
LIMIT_ROW: Final = 4_096
"""Bytes of one vault row of an offer."""


@dataclass(frozen=True, slots=True)
class Offering:
    """An offer to or from a contact: `root` is theirs, `mine` says that I make it."""

    id: bytes
    root: bytes = field(repr=False)
    mine: bool
    offer: Offer

    def encode(self) -> bytes:
        """Its vault row."""
        return encode([self.root, self.mine, self.offer.encode()])


@dataclass(frozen=True, slots=True)
class OfferJob:
    """Sealing an offer for each of a contact's devices, in the list with this digest."""

    offering: bytes
    devices: bytes


def load(rows: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Offering]:
    """Raises: RemoteError when a row is not one of ours."""
    found = {}
    for key, row in rows:
        root, mine, offer = as_list(decode(row, LIMIT_ROW), 3)
        found[key] = Offering(key, as_bytes(root, 32), as_bool(mine), Offer.decode(as_bytes(offer)))
    return found


# Contacts -------------------------------------------------------------------------------------------------------------


def keep(core: Core, turn: Turn, command: KeepContact) -> dict[str, Value]:
    """Keep a member as a contact, under a name of my own. Raises: LocalError."""
    contact = core.knowing.of(command.dialogue, command.member)
    if contact is None:
        raise refuse(
            "They have not shown you who they are, so you could not find them again.",
            "Ask them to: tertulia reveal, or “show who I am”.",
        )
    if not contact.name and len(core.knowing.kept) >= LIMIT_CONTACTS:
        raise refuse(f"You keep {LIMIT_CONTACTS} contacts, and no more fit.", "Forget one first.")
    return _named(core, turn, contact, command.name)


def rename(core: Core, turn: Turn, command: NameContact) -> dict[str, Value]:
    """Call a contact otherwise. Raises: LocalError."""
    return _named(core, turn, core.knowing.contacts[command.root], command.name)


def _named(core: Core, turn: Turn, contact: Contact, wanted: str) -> dict[str, Value]:
    name = clean_name(wanted)[:LIMIT_CONTACT_NAME]
    if not name:
        raise refuse("A contact needs a name.", "Choose one; only you ever see it.")
    if any(one.name.casefold() == name.casefold() and one.root != contact.root for one in core.knowing.kept):
        raise refuse(f"You call another contact “{name}”.", "Choose another name; only you ever see it.")
    core.knowing.keep(turn, replace(contact, name=name))
    _look_for_offers(core, turn, contact.commons)
    _everywhere(core, turn)
    return {"contact": contact.root.hex(), "name": name}


def forget(core: Core, turn: Turn, root: bytes) -> dict[str, Value]:
    """Keep a contact no longer; what waits between us goes too."""
    core.knowing.forget(turn, core.knowing.contacts[root])
    for offering in [one for one in core.offers.values() if one.root == root]:
        _drop(core, turn, offering.id)
    core.keys_changed()
    _everywhere(core, turn)
    return {"contact": root.hex()}


def _everywhere(core: Core, turn: Turn) -> None:
    """My name for somebody stands beside theirs in every dialogue."""
    for key, _persona in core.knowing.shown:
        turn.changed(View.PEOPLE, key)


def _look_for_offers(core: Core, turn: Turn, commons: Iterable[CommonsId]) -> None:
    """What they sent before I kept them waits in the archive."""
    core.keys_changed()
    for one in commons:
        core.rescan(turn, one, 0)


def trials(core: Core) -> Iterator[tuple[CommonsId, Trial]]:
    """What contacts who know me may send."""
    for contact in core.knowing.kept:
        for index, keys in enumerate(core.knowing.lanes(contact)):
            for commons in contact.commons:
                yield commons, Trial(keys, ALWAYS, OnContact(contact.root, index), large=True)


# Offers ---------------------------------------------------------------------------------------------------------------


def must_reach(core: Core, root: bytes) -> Contact:
    """A contact that can be sent an invite. Raises: LocalError."""
    contact = core.knowing.contacts[root]
    if not contact.met:
        raise refuse(
            f"“{contact.name}” does not know who you are, so nothing from you would reach them.",
            "Show them in a dialogue you share: tertulia reveal. They must keep you as a contact too.",
        )
    if contact.is_changed:
        raise refuse(
            f"The devices of “{contact.name}” have changed since you last looked.",
            "Compare safety numbers in a dialogue you share: tertulia verify.",
        )
    return contact


def offer(core: Core, turn: Turn, command: OfferInvite) -> dict[str, Value]:
    """Have an invite of mine sealed to a contact. Raises: LocalError."""
    contact = must_reach(core, command.root)
    made = Offer(command.invite, command.title, turn.minute)
    offering = Offering(join_id(made.read().secret), contact.root, mine=True, offer=made)
    core.offers[offering.id] = offering
    turn.put(Table.OFFER, offering.id, offering.encode())
    return {"contact": contact.root.hex(), "name": contact.name, "title": made.title, "state": "stored"}


def owe(core: Core, turn: Turn) -> None:
    """Have what I offer sealed, unless it is being sealed."""
    sealing = {job.offering for job in core.jobs.values() if isinstance(job, OfferJob)}
    mine = core.knowing.mine
    for offering in core.offers.values():
        if offering.mine and offering.id not in sealing and mine is not None:
            theirs = core.knowing.contacts[offering.root].devices
            requests = (
                request(offering.offer, mine, offering.root, device, turn.entropy(NONCE_BYTES))
                for device in theirs.devices
            )
            core.seal(turn, OfferJob(offering.id, theirs.digest), tuple(requests))


def sealed(core: Core, turn: Turn, job: OfferJob, boxes: tuple[bytes, ...]) -> None:
    """It goes out in the lane to each device, in the community where we met last."""
    offering = core.offers.get(job.offering)
    if offering is None:  # forgotten meanwhile
        return
    contact = core.knowing.contacts[offering.root]
    if contact.devices.digest != job.devices:  # it is still owed, to those they have now
        return
    for keys, box in zip(core.knowing.lanes(contact), boxes, strict=True):
        core.outbox.queue(turn, Entry(contact.commons[-1], lane_of_keys(keys), (offer_item(box),)))
    _drop(core, turn, offering.id)


def take(core: Core, turn: Turn, target: OnContact, mine: Identity, item: Item) -> None:
    """A contact invites me.

    Raises: RemoteError when it does not open, or is no invite.
    """
    contact = core.knowing.contacts[target.root]
    found = open_offer(item, mine, contact.root, contact.devices.devices[target.device])
    key = join_id(found.read().secret)
    if key in core.joins or key in core.invites or key in core.offers:
        return
    waiting = [one for one in core.offers.values() if one.root == contact.root and not one.mine]
    if len(waiting) >= LIMIT_OFFERS:
        _drop(core, turn, min(waiting, key=lambda one: (one.offer.minute, one.id)).id)
    core.offers[key] = Offering(key, contact.root, mine=False, offer=found)
    turn.put(Table.OFFER, key, core.offers[key].encode())
    turn.changed(View.CONTACTS)


def dismiss(core: Core, turn: Turn, key: bytes) -> dict[str, Value]:
    """Say no to an invite; whoever made it is not told."""
    _drop(core, turn, key)
    return {"offer": key.hex()}


def taken(core: Core, turn: Turn, key: bytes) -> None:
    """I join by this invite: it waits no longer."""
    if key in core.offers:
        _drop(core, turn, key)


def _drop(core: Core, turn: Turn, key: bytes) -> None:
    del core.offers[key]
    turn.erase(Table.OFFER, key)
    turn.changed(View.CONTACTS)
