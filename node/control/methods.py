"""What a client may have a node do, method by method.

docs/spec/control.md. Invariants: parameters are checked before anything is done; every refusal is a LocalError with
three sentences; a result says no more than what is on the disk. The Unix socket, tests and the demo call the same.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node import addresses, carry
from tertulia.node.clock import MS_PER_MINUTE
from tertulia.node.control.acquaintance import AcquaintanceMethods
from tertulia.node.control.community import CommunityMethods
from tertulia.node.control.corridors import CorridorMethods
from tertulia.node.control.council import CouncilMethods
from tertulia.node.control.outcomes import OutcomeMethods
from tertulia.node.control.params import Answer, Params, number, text
from tertulia.node.control.resources import ResourceMethods
from tertulia.node.control.rooms import RoomMethods, room_of
from tertulia.node.control.speech import SpeechMethods
from tertulia.node.control.status import commons_rows, status
from tertulia.node.control.surveys import SurveyMethods
from tertulia.node.problems import (
    CANNOT_LISTEN_THERE,
    NEW,
    NO_COMMONS,
    UNDECIDED,
    UNKNOWN_COMMONS,
    UNKNOWN_WAIT,
    nameless,
)
from tertulia.node.served import Served
from tertulia.node.service import State
from tertulia.node.store.passphrase import DEFAULT_COST, Cost
from tertulia.protocol import views
from tertulia.protocol.address import to_multiaddr
from tertulia.protocol.charter_words import shown_title
from tertulia.protocol.commons import Commons
from tertulia.protocol.commons_card import Stewards
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.errors import LocalError
from tertulia.protocol.inputs import (
    AdmitKnock,
    Join,
    KeepSteward,
    LeaveDialogue,
    MakeInvite,
    MarkChecked,
    MarkSeen,
    RefuseKnock,
    RemoveMember,
    SetReceipts,
)
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.methods import check_call
from tertulia.protocol.text import clean_name
from tertulia.protocol.ticket import encode_ticket

if TYPE_CHECKING:
    from tertulia.node.service import Service
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import CommonsId

KEY: Final = 32
EXPIRES_MINUTES: Final = 7 * 24 * 60
LIMIT_EXPIRES: Final = 366 * 24 * 60
LIMIT_WAIT_SECONDS: Final = 24 * 60 * 60
PREFIX: Final = 4


class Methods:
    """All methods of one node."""

    def __init__(self, service: Service, *, resident: bool = False) -> None:
        self.service = service
        self.resident = resident
        self.keep = False
        """The citizen chose to keep receiving: the node outlives its last client."""
        self.stopping = trio.Event()
        """Set when the node shall end."""
        self._changed = trio.Event()
        service.on_shown.append(lambda _view, _dialogue: self._note_change())
        self._methods: dict[str, Callable[[Params], Awaitable[Answer]]] = {
            "status": self._status,
            "init": self._init,
            "unlock": self._unlock,
            "lock": self._lock,
            "keep": self._keep,
            "stop": self._stop,
            "panic": self._panic,
            "commons.new": self._commons_new,
            "commons.propose": self._commons_propose,
            "commons.list": self._commons_list,
            "commons.ticket": self._commons_ticket,
            "dialogue.list": self._dialogue_list,
            "invite": self._invite,
            "join": self._join,
            "read": self._read,
            "members": self._members,
            "seen": self._seen,
            "check": self._check,
            "delivery": self._delivery,
            "receipts": self._receipts,
            "clock.confirm": self._clock_confirm,
            "carry.export": self._carry_export,
            "carry.import": self._carry_import,
            "knocks": self._knocks,
            "admit": self._admit,
            "refuse": self._refuse,
            "remove": self._remove,
            "leave": self._leave,
            "wait": self._wait,
            **SpeechMethods(service).all,
            **RoomMethods(service).all,
            **SurveyMethods(service).all,
            **CorridorMethods(service).all,
            **AcquaintanceMethods(service).all,
            **OutcomeMethods(service).all,
            **ResourceMethods(service).all,
            **CouncilMethods(service, self._which_commons).all,
            **CommunityMethods(service, self._which_commons).all,
        }

    async def call(self, method: str, params: Params) -> Answer:
        """Do one thing. Raises LocalError."""
        check_call(method, params)
        return await self._methods[method](params)

    def status(self) -> Answer:
        """The status, without waiting."""
        return status(self.service, keep=self.keep, resident=self.resident)

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # Profile --------------------------------------------------------------------------------------------------------

    async def _status(self, _params: Params) -> Answer:
        return self.status()

    async def _init(self, params: Params) -> Answer:
        cost = Cost(number(params, "kdf_mib", DEFAULT_COST.mib), number(params, "kdf_ops", DEFAULT_COST.ops))
        seconds = await self.service.init(text(params, "nick"), text(params, "passphrase"), cost)
        kdf: Answer = {"mib": cost.mib, "ops": cost.ops, "seconds": f"{seconds:.2f}"}
        return {"nick": clean_name(self.service.core.nick), "kdf": kdf}

    async def _unlock(self, params: Params) -> Answer:
        await self.service.unlock(text(params, "passphrase"))
        if params.get("keep") is not None:
            self.keep = bool(params["keep"])
            self.service.status_changed()
        return self._state()

    async def _lock(self, _params: Params) -> Answer:
        await self.service.lock()
        return self._state()

    async def _keep(self, params: Params) -> Answer:
        self.keep = bool(params["on"])
        self.service.status_changed()
        return self._state()

    async def _stop(self, _params: Params) -> Answer:
        await self.service.lock()
        self.stopping.set()
        return self._state()

    async def _panic(self, _params: Params) -> Answer:
        if self.service.state is State.NEW:
            raise LocalError(NEW)
        try:
            await self.service.panic()
        finally:
            self.stopping.set()
        return self._state()

    def _state(self) -> Answer:
        return {"state": self.service.state.value}

    # Commons --------------------------------------------------------------------------------------------------------

    async def _commons_new(self, params: Params) -> Answer:
        _ = self.service.core  # unlocked, or refused
        name = clean_name(text(params, "name"))
        if not name:
            raise LocalError(nameless("community"))
        announce = params.get("announce")
        listen = addresses.parse_listen(text(params, "listen")) if "listen" in params else addresses.propose()
        listen = addresses.settle(listen)
        told = addresses.published(listen, [str(one) for one in announce] if isinstance(announce, list) else [])
        if not addresses.can_listen(listen):
            raise LocalError(CANNOT_LISTEN_THERE)
        seed, steward = os.urandom(KEY), os.urandom(KEY)
        root = Stewards((signing_public(steward),), 1).digest
        commons = Commons(os.urandom(KEY), 1, name, addresses=told, peer=signing_public(seed), stewards=root)
        await self.service.serve(Served(commons, (str(listen),), seed))
        await self.service.ask(KeepSteward(commons.id, steward))
        return {"commons": commons.id.hex(), "name": name, "address": told[0]}

    async def _commons_propose(self, _params: Params) -> Answer:
        return {"listen": str(addresses.propose())}

    async def _commons_list(self, _params: Params) -> Answer:
        return {"commons": commons_rows(self.service)}

    async def _commons_ticket(self, params: Params) -> Answer:
        commons = self.service.core.commons[self._which_commons(params)]
        return {"commons": commons.id.hex(), "name": commons.name, "ticket": encode_ticket(commons)}

    def _which_commons(self, params: Params) -> CommonsId:
        known = self.service.core.commons
        if "commons" not in params:
            if len(known) != 1:
                raise LocalError(UNDECIDED if known else NO_COMMONS)
            return next(iter(known))
        wanted = text(params, "commons").strip()
        found = [
            commons.id
            for commons in known.values()
            if clean_name(commons.name).casefold() == wanted.casefold()
            or (len(wanted) >= PREFIX and commons.id.hex().startswith(wanted.lower()))
        ]
        if len(found) != 1:
            raise LocalError(UNDECIDED if found else UNKNOWN_COMMONS)
        return found[0]

    # Dialogues ------------------------------------------------------------------------------------------------------

    async def _dialogue_list(self, _params: Params) -> Answer:
        return {"dialogues": list(views.dialogues(self.service.core))}

    async def _invite(self, params: Params) -> Answer:
        dialogue = views.resolve_dialogue(self.service.core, text(params, "dialogue"))
        minutes = min(number(params, "expires_minutes", EXPIRES_MINUTES), LIMIT_EXPIRES)
        expires = self.service.clock() // MS_PER_MINUTE + minutes
        ask = bool(params.get("ask", False))
        return await self.service.ask(MakeInvite(dialogue, number(params, "uses", 1), expires, ask))

    async def _join(self, params: Params) -> Answer:
        core = self.service.core
        invite = decode_invite(text(params, "invite"))
        address = to_multiaddr(invite.address)
        commons = Commons(
            invite.commons_key,
            invite.generation,
            "",
            addresses=(address,) if address else (),
            peer=invite.peer,
        )
        await self.service.serve(Served(commons))
        answer = await self.service.ask(Join(invite, text(params, "nick") if "nick" in params else core.nick))
        return {**answer, "state": _told(answer["state"])}

    async def _read(self, params: Params) -> Answer:
        core = self.service.core
        dialogue = views.resolve_dialogue(core, text(params, "dialogue"))
        last = max(0, number(params, "last", -1)) if "last" in params else None
        room = room_of(core, dialogue, params)
        rows: list[Value] = [row for _, row in views.messages(core, dialogue, last, apart=room)]
        title = shown_title(core.dialogues[dialogue].state.charter)
        return {"dialogue": dialogue.hex(), "title": title, "messages": rows}

    async def _members(self, params: Params) -> Answer:
        dialogue = views.resolve_dialogue(self.service.core, text(params, "dialogue"))
        core = self.service.core
        return {"members": list(views.people(core, dialogue)), "rules": views.charter(core, dialogue)["rules"]}

    async def _seen(self, params: Params) -> Answer:
        return await self.service.ask(MarkSeen(views.resolve_dialogue(self.service.core, text(params, "dialogue"))))

    async def _check(self, params: Params) -> Answer:
        core = self.service.core
        dialogue = views.resolve_dialogue(core, text(params, "dialogue"))
        member = views.resolve_member(core, dialogue, text(params, "member"))
        return await self.service.ask(MarkChecked(dialogue, member))

    async def _delivery(self, params: Params) -> Answer:
        return dict(views.message(self.service.core, text(params, "message")))

    async def _receipts(self, params: Params) -> Answer:
        return await self.service.ask(SetReceipts(bool(params["on"])))

    async def _clock_confirm(self, _params: Params) -> Answer:
        return await self.service.confirm_clock()

    async def _carry_export(self, params: Params) -> Answer:
        path = Path(text(params, "path"))
        await self.service.carrying.ready()
        frames, size = await carry.export(self.service.carrying, path, max(0, number(params, "since", 0)))
        return {"frames": frames, "bytes": size}

    async def _carry_import(self, params: Params) -> Answer:
        await self.service.carrying.ready()
        counts = await carry.bring(self.service.carrying, Path(text(params, "path")))
        return {verdict: counts[verdict] for verdict in ("new", "known", "strange", "old")}

    async def _knocks(self, _params: Params) -> Answer:
        return {"knocks": list(views.knocks(self.service.core))}

    async def _admit(self, params: Params) -> Answer:
        return await self.service.ask(AdmitKnock(views.resolve_knock(self.service.core, text(params, "knock"))))

    async def _refuse(self, params: Params) -> Answer:
        return await self.service.ask(RefuseKnock(views.resolve_knock(self.service.core, text(params, "knock"))))

    async def _remove(self, params: Params) -> Answer:
        core = self.service.core
        dialogue = views.resolve_dialogue(core, text(params, "dialogue"))
        member = views.resolve_member(core, dialogue, text(params, "member"))
        return await self.service.ask(RemoveMember(dialogue, member))

    async def _leave(self, params: Params) -> Answer:
        dialogue = views.resolve_dialogue(self.service.core, text(params, "dialogue"))
        return await self.service.ask(LeaveDialogue(dialogue))

    # Waiting --------------------------------------------------------------------------------------------------------

    async def _wait(self, params: Params) -> Answer:
        """Until it is so, or the seconds are over; then as it is."""
        what = text(params, "for")
        look = {"outbox": self._outbox, "join": self._joined}.get(what)
        if look is None:
            raise LocalError(UNKNOWN_WAIT)
        with trio.move_on_after(min(max(0, number(params, "seconds", 0)), LIMIT_WAIT_SECONDS)):
            while True:
                changed = self._changed
                answer, over = look(params)
                if over:
                    return answer
                await changed.wait()
        return look(params)[0]

    def _outbox(self, params: Params) -> tuple[Answer, bool]:
        """What was said, or done in a dialogue, while nobody else was there waits for nobody and is not sent either."""
        core = self.service.core
        alone = False
        if "message" in params:
            alone = bool(views.message(core, text(params, "message"))["alone"])
        elif "dialogue" in params:
            alone = core.dialogues[views.resolve_dialogue(core, text(params, "dialogue"))].alone
        over = views.unsent(core) == 0
        return {"state": "sent" if over and not alone else "stored", "dialogue": None, "alone": alone}, over

    def _joined(self, params: Params) -> tuple[Answer, bool]:
        wanted = text(params, "join") if "join" in params else ""
        found = [row for row in views.joins(self.service.core) if str(row["join"]).startswith(wanted)]
        if not found:
            raise LocalError(UNKNOWN_WAIT)
        row = found[-1]
        answer: Answer = {"state": _told(row["state"]), "dialogue": row["dialogue"], "alone": False}
        return answer, row["state"] in {"admitted", "refused"}


def _told(state: Value) -> Value:
    """A join's state in the words of the method: whether the knock is made yet is a detail of the view."""
    return "knocked" if state == "looking" else state
