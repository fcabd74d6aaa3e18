"""What a client may have a node do about who people are: reveal, verify, and the contacts a citizen keeps.

docs/spec/control.md; docs/spec/identity.md, sections Reveal, Contacts and Offer. Nothing here tells anybody a name of
mine for them: a conversation with a contact is called by what the two call themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from tertulia.node.clock import MS_PER_MINUTE
from tertulia.node.control.params import Answer, Params, text, texts
from tertulia.protocol import contacting, views, views_contacts
from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.charter_words import shown_title
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import (
    DismissOffer,
    ForgetContact,
    KeepContact,
    MakeInvite,
    NameContact,
    NewDialogue,
    OfferInvite,
    RevealMe,
    Verify,
)

if TYPE_CHECKING:
    from tertulia.node.service import Service

OFFER_MINUTES: Final = 7 * 24 * 60
"""For how long an invite to a contact lives."""


class AcquaintanceMethods:
    """The methods about identities and contacts."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.all: dict[str, Callable[[Params], Awaitable[Answer]]] = {
            "reveal": self._reveal,
            "verify": self._verify,
            "contacts.list": self._list,
            "contacts.add": self._add,
            "contacts.rename": self._rename,
            "contacts.forget": self._forget,
            "contacts.talk": self._talk,
            "contacts.invite": self._invite,
            "contacts.dismiss": self._dismiss,
        }

    def _dialogue(self, params: Params) -> DialogueId:
        return views.resolve_dialogue(self._service.core, text(params, "dialogue"))

    def _contact(self, params: Params) -> bytes:
        return views_contacts.resolve_contact(self._service.core, text(params, "contact"))

    async def _reveal(self, params: Params) -> Answer:
        core, dialogue = self._service.core, self._dialogue(params)
        members = frozenset(views.resolve_member(core, dialogue, one) for one in texts(params, "members"))
        return await self._service.ask(RevealMe(dialogue, members))

    async def _verify(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        member = views.resolve_member(self._service.core, dialogue, text(params, "member"))
        return await self._service.ask(Verify(dialogue, member, same=bool(params.get("same", False))))

    async def _list(self, _params: Params) -> Answer:
        return {"contacts": list(views_contacts.contacts(self._service.core))}

    async def _add(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        member = views.resolve_member(self._service.core, dialogue, text(params, "member"))
        return await self._service.ask(KeepContact(dialogue, member, text(params, "name")))

    async def _rename(self, params: Params) -> Answer:
        return await self._service.ask(NameContact(self._contact(params), text(params, "name")))

    async def _forget(self, params: Params) -> Answer:
        return await self._service.ask(ForgetContact(self._contact(params)))

    async def _talk(self, params: Params) -> Answer:
        core, root = self._service.core, self._contact(params)
        known = views_contacts.together(core, root)
        if known is not None:
            title = shown_title(core.dialogues[known].state.charter)
            return {"contact": root.hex(), "dialogue": known.hex(), "title": title, "state": "open"}
        contact = contacting.must_reach(core, root)
        title = f"{core.nick} & {contact.called}"[:LIMIT_TITLE]
        begun = await self._service.ask(NewDialogue(title, contact.commons[-1], core.nick))
        await self._offer(root, DialogueId(bytes.fromhex(str(begun["dialogue"]))), title)
        return {"contact": root.hex(), "dialogue": begun["dialogue"], "title": title, "state": "new"}

    async def _invite(self, params: Params) -> Answer:
        core, root, dialogue = self._service.core, self._contact(params), self._dialogue(params)
        contacting.must_reach(core, root)
        title = shown_title(core.dialogues[dialogue].state.charter)
        await self._offer(root, dialogue, title)
        return {"contact": root.hex(), "dialogue": dialogue.hex(), "title": title, "state": "stored"}

    async def _offer(self, root: bytes, dialogue: DialogueId, title: str) -> None:
        """Make an invite for one person and send it to them alone."""
        expires = self._service.clock() // MS_PER_MINUTE + OFFER_MINUTES
        made = await self._service.ask(MakeInvite(dialogue, 1, expires))
        await self._service.ask(OfferInvite(root, str(made["invite"]), title[:LIMIT_TITLE]))

    async def _dismiss(self, params: Params) -> Answer:
        offer = views_contacts.resolve_offer(self._service.core, text(params, "offer"))
        return await self._service.ask(DismissOffer(offer))
