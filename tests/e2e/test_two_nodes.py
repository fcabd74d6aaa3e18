"""Two or three citizens, whole nodes, one machine: the story of issue 2, point 1, without the screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from citizens import (
    PASSPHRASE,
    Config,
    admitted,
    found,
    init,
    invited,
    join,
    messages,
    open_citizen,
    sees,
    sent,
    until,
)

from tertulia.node.carrier import Carrier
from tertulia.node.citizen import Citizen
from tertulia.node.network import Network
from tertulia.node.quota import Allowance
from tertulia.node.service import State
from tertulia.protocol.address import peer_text
from tertulia.protocol.encoding import Value
from tertulia.protocol.errors import LocalError
from tertulia.protocol.methods import METHODS


async def row_of(citizen: Citizen) -> dict[str, object]:
    (row,) = (await citizen.call("commons.list"))["commons"]
    return row


def network_of(citizen: Citizen) -> Network:
    (carried,) = citizen.service.carrying
    return carried.network


def carrier_of(citizen: Citizen) -> Carrier:
    (carried,) = citizen.service.carrying
    return carried.carrier


async def test_invite_join_talk_restart(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        async with open_citizen(tmp_path / "ben", Config()) as ben:
            await admitted(ben, await join(ben, "Ben", await invited(ana, talk)))
            await ana.call("say", {"dialogue": talk, "text": "hola"})
            await ben.call("say", {"dialogue": "Talk", "text": "hello"})
            await sees(ana, talk, "hola", "hello")
            await sees(ben, talk, "hola", "hello")
            await sent(ana)
            await sent(ben)
            assert [row["nick"] for row in (await ana.call("members", {"dialogue": talk}))["members"]] == ["Ana", "Ben"]
            # What the guest did not know from the invite came with the card, and the carrying side knows it too.
            await until(ben, lambda: carrier_of(ben).commons.name == "Madrid")

    async with open_citizen(tmp_path / "ben", Config()) as ben:
        assert (await ben.call("status"))["state"] == "locked"
        with pytest.raises(LocalError, match="locked"):
            await ben.call("read", {"dialogue": talk})
        await ben.call("unlock", {"passphrase": PASSPHRASE})
        assert messages(ben, talk) == ["hola", "hello"]
        # Nobody is there: it is stored, and goes out when the other comes.
        answer = await ben.call("say", {"dialogue": talk, "text": "are you there?"})
        assert answer["state"] == "stored"
        assert (await ben.call("status"))["unsent"] > 0
        async with open_citizen(tmp_path / "ana", Config()) as ana:
            await ana.call("unlock", {"passphrase": PASSPHRASE})
            await sees(ana, talk, "hola", "hello", "are you there?")
            await sent(ben)
            rows = (await ben.call("read", {"dialogue": talk, "last": 1}))["messages"]
            assert [(row["text"], row["state"], row["peers"]) for row in rows] == [("are you there?", "sent", 1)]


async def test_the_founders_peer_id_stays_and_the_dialler_s_does_not(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    for first in (True, False):
        async with open_citizen(tmp_path / "ana", Config()) as ana, open_citizen(tmp_path / "ben", Config()) as ben:
            if first:
                talk = await found(ana, "Ana")
                await join(ben, "Ben", await invited(ana, talk))
            await ana.service.carrying.ready()
            await ben.service.carrying.ready()
            await until(ana, lambda ana=ana: network_of(ana).reached == 1)
            await until(ben, lambda ben=ben: network_of(ben).reached == 1)
            (ben_id,) = network_of(ana).neighbours
            (ana_id,) = network_of(ben).neighbours
            seen.append((ana_id, ben_id))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1]


async def test_knock_waits_with_a_third_node_while_the_inviter_is_away(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        async with open_citizen(tmp_path / "eva", Config()) as eva:
            # Eva runs a dialogue of her own in Ana's community; its address, not hers, is in the invite.
            await admitted(eva, await join(eva, "Eva", await invited(ana, talk)))
            circle = str((await eva.call("dialogue.new", {"title": "Circle"}))["dialogue"])
            invite = await invited(eva, circle)
            await sent(eva)
        await ana.call("lock", {})  # the founder's machine only carries

        async with open_citizen(tmp_path / "ben", Config()) as ben:
            joining = await join(ben, "Ben", invite)
            await until(ben, lambda: any(row.state.name == "KNOCKED" for row in ben.service.core.joins.values()))
            await sent(ben)
            assert (await ben.call("wait", {"for": "join", "join": joining, "seconds": 0}))["state"] == "knocked"
            async with open_citizen(tmp_path / "eva", Config()) as eva:
                await eva.call("unlock", {"passphrase": PASSPHRASE})
                await admitted(ben, joining)
                await ben.call("say", {"dialogue": circle, "text": "thank you"})
                await sees(eva, circle, "thank you")
        assert ana.service.state is State.LOCKED


Call = Callable[..., Awaitable[dict[str, Value]]]


async def evaluated(call: Call, ana: Citizen, ben: Citizen, talk: str) -> None:
    """A survey from its questions to the counts that leave the room."""
    survey = str((await call(ana, "survey", dialogue=talk, title="After", questions=["Heard? | yes | no"]))["id"])
    await call(ana, "answer", dialogue=talk, id=survey, choices=["1"])
    await call(ana, "surveys", dialogue=talk)
    await ana.call("act", {"dialogue": talk, "deed": "cut", "reason": "We count."})
    release = str((await call(ana, "release", dialogue=talk, id=survey, text="To the city."))["id"])
    with pytest.raises(LocalError, match="has not agreed"):
        await ana.call("evaluation", {"dialogue": talk, "id": survey})
    await until(ben, lambda: bytes.fromhex(release) in ben.service.core.dialogues[bytes.fromhex(talk)].events)
    for one in (ana, ben):
        said = str((await one.call("stance", {"dialogue": talk, "id": release, "value": "agree"}))["id"])
    await until(ana, lambda: bytes.fromhex(said) in ana.service.core.dialogues[bytes.fromhex(talk)].events)
    assert (await call(ana, "evaluation", dialogue=talk, id=survey))["answered"] is None, "one is fewer than five"


async def test_every_method_answers_with_its_fields(tmp_path: Path) -> None:
    answered: dict[str, set[str]] = {}

    async def call(citizen: Citizen, method: str, **params: Value) -> dict[str, Value]:
        answer = await citizen.call(method, params)
        answered[method] = set(answer)
        return answer

    async with open_citizen(tmp_path / "ana", Config()) as ana, open_citizen(tmp_path / "ben", Config()) as ben:
        await call(ana, "init", nick="Ana", passphrase=PASSPHRASE, kdf_mib=8, kdf_ops=1)
        await init(ben, "Ben")
        await call(ana, "commons.propose")
        await call(ana, "commons.new", name="Madrid", listen="/ip4/127.0.0.1/tcp/0")
        await call(ana, "commons.list")
        await call(ana, "commons.ticket")
        talk = str((await call(ana, "dialogue.new", title="Talk"))["dialogue"])
        invite = (await call(ana, "invite", dialogue=talk, uses=2, ask=True))["invite"]
        joining = str((await call(ben, "join", invite=invite))["join"])
        await until(ana, lambda: bool(ana.service.core.knocks))
        await call(ana, "knocks")
        await call(ana, "admit", knock="Ben")
        await admitted(ben, joining)
        said = str((await call(ben, "say", dialogue=talk, text="hola"))["id"])
        await sees(ana, talk, "hola")
        assert (await call(ana, "dialogue.list"))["dialogues"][0]["unread"] == 1
        await call(ana, "seen", dialogue=talk)
        assert (await call(ana, "dialogue.list"))["dialogues"][0]["unread"] == 0
        await call(ana, "check", dialogue=talk, member="Ben")
        await call(ana, "read", dialogue=talk)
        await call(ana, "members", dialogue=talk)
        assert (await call(ana, "delivery", message=said[:10]))["received"] == ["Ana"]
        await call(ana, "receipts", on=False)
        stick = str(tmp_path / "stick")
        assert (await call(ana, "carry.export", path=stick))["frames"] == (
            await call(ana, "carry.import", path=stick)
        )["known"]
        async with open_citizen(tmp_path / "eva", Config()) as eva:
            await join(eva, "Eva", invite)
            await until(ana, lambda: len(ana.service.core.knocks) == 2)
            await call(ana, "refuse", knock="Eva")
        await call(ana, "reveal", dialogue=talk)
        await ben.call("reveal", {"dialogue": talk, "members": ["Ana"]})
        await until(ana, lambda: len(ana.service.core.knowing.contacts) == 1)
        await until(ben, lambda: len(ben.service.core.knowing.contacts) == 1)
        assert (await call(ana, "verify", dialogue=talk, member="Ben", same=True))["verified"] is True
        await call(ana, "contacts.add", dialogue=talk, member="Ben", name="Brother")
        await ben.call("contacts.add", {"dialogue": talk, "member": "Ana", "name": "Sister"})
        assert (await call(ana, "contacts.talk", contact="brother"))["state"] == "open"
        await ana.call("dialogue.new", {"title": "Second"})
        await call(ana, "contacts.invite", contact="Brother", dialogue="Second")
        await until(ben, lambda: bool(ben.service.core.offers))
        (row,) = (await call(ben, "contacts.list"))["contacts"]
        await call(ben, "contacts.dismiss", offer=row["offers"][0]["offer"])
        await call(ana, "contacts.rename", contact="Brother", name="Ben at work")
        await call(ana, "contacts.forget", contact="Ben at work")
        (tmp_path / "table.txt").write_text("1 2 3")
        await call(ana, "resource.add", dialogue=talk, path=str(tmp_path / "table.txt"))
        await call(ana, "resource.list", dialogue=talk)
        await call(ana, "resource.get", dialogue=talk, resource="table.txt", path=str(tmp_path / "copy.txt"))
        role = await call(ana, "role", dialogue=talk, member="Ben", facilitator=True)
        await call(ana, "acts", dialogue=talk)
        await call(ana, "act", dialogue=talk, deed="item", reason="Visas")
        await call(ben, "floor", dialogue=talk, text="On visas")
        await call(ben, "proceedings", dialogue=talk)
        with pytest.raises(LocalError, match="no such thing"):
            await ana.call("act", {"dialogue": talk, "deed": "shout", "reason": "why"})
        pilot = str((await call(ana, "propose", dialogue=talk, title="Visits", text="Fifty by June"))["id"])
        await until(ben, lambda: bytes.fromhex(pilot) in ben.service.core.dialogues[bytes.fromhex(talk)].events)
        better = str((await call(ben, "amend", dialogue=talk, id=pilot, text="Forty by June"))["id"])
        await until(ana, lambda: bytes.fromhex(better) in ana.service.core.dialogues[bytes.fromhex(talk)].events)
        await call(ana, "take", dialogue=talk, id=better)
        await call(ana, "stance", dialogue=talk, id=pilot, value="agree")
        assert (await call(ana, "matters", dialogue=talk))["provisional"] is True
        reason = {"id": pilot, "value": "disagree", "reason": "too soon"}
        against = str((await ana.call("stance", {"dialogue": talk, **reason}))["id"])
        draft = await call(ana, "outcome.draft", dialogue=talk, title="Agreed", text="Fifty", cites=[pilot])
        drafted = str(draft["id"])
        await call(ana, "outcome.answer", dialogue=talk, objection=against[:8], text="July, then.")
        await call(ana, "outcome.attach", dialogue=talk, id=drafted, objection=against)
        await call(ana, "outcome.minority", dialogue=talk, id=drafted, text="We would have waited.")
        await call(ana, "outcome.endorse", dialogue=talk, id=drafted)
        await call(ana, "outcome.endorse", dialogue=talk, id=drafted, name="Ana of Madrid")
        assert (await call(ana, "outcome.seal", dialogue=talk, id=drafted))["state"] == "done"
        assert (await call(ana, "outcome.list", dialogue=talk))["outcomes"][0]["state"] == "sealed"
        file = str(tmp_path / "agreed.outcome")
        assert (await call(ana, "outcome.export", dialogue=talk, id=drafted, path=file))["bytes"] > 500
        with pytest.raises(LocalError, match="could not be written"):
            await ana.call("outcome.export", {"dialogue": talk, "id": drafted, "path": file})
        await call(ana, "actions", dialogue=talk)
        members: list[Value] = ["Ana", "Ben"]
        await call(ana, "room.open", dialogue=talk, title="Quotas", members=members)
        assert [row["title"] for row in (await call(ana, "rooms", dialogue=talk))["rooms"]] == ["Talk", "Quotas"]
        await call(ana, "corridor.open", dialogue=talk, members=["Ben"])
        await until(ben, lambda: bool(ben.service.core.corridors))
        await call(ben, "corridor.answer", corridor="", agree=True)
        await until(ana, lambda: all(one.secret for one in ana.service.core.corridors.values()))
        await call(ana, "corridor.say", corridor="", text="Between us.")
        await call(ana, "corridor.list", dialogue=talk)
        await call(ana, "corridor.close", corridor="")
        own = str((await ana.call("say", {"dialogue": talk, "text": "helo"}))["id"])
        await call(ana, "edit", dialogue=talk, id=own, text="hello")
        told = await call(ana, "history", dialogue=talk, id=own)
        assert [version["text"] for version in told["versions"]] == ["helo", "hello"]
        await call(ana, "withdraw", dialogue=talk, id=own)
        await evaluated(call, ana, ben, talk)
        await call(ana, "charter", dialogue=talk)
        with pytest.raises(LocalError, match="already"):  # with the invite
            await ben.call("accept", {"dialogue": talk})
        answered["accept"] = {"dialogue", "accepted"}
        assert role["state"] == "done"
        with pytest.raises(LocalError, match="Nothing by that name"):
            await ana.call("cosign", {"dialogue": talk, "act": role["act"]})
        answered["cosign"] = {"act", "state"}  # two of them sign in test_two_facilitators
        await call(ana, "remove", dialogue=talk, member="Ben")
        await until(ben, lambda: ben.service.core.dialogues[bytes.fromhex(talk)].standing.value == "removed")
        await call(ana, "leave", dialogue=talk)
        await call(ana, "wait", **{"for": "outbox", "seconds": 0})
        nowhere = f"/ip4/127.0.0.1/tcp/9/p2p/{peer_text(bytes(32))}"
        key = str((await call(ben, "commons.stewards.key"))["steward"])
        await call(ana, "commons.relays.try", address=nowhere)
        assert (await call(ana, "commons.relays.add", address=nowhere, words="Nowhere"))["state"] == "published"
        await call(ana, "commons.relays.remove", relay="Nowhere")
        await call(ana, "commons.stewards.add", steward=key)
        await call(ana, "commons.stewards.succeed", steward=key, successor="ab" * 32)
        await call(ana, "commons.stewards.remove", steward="ab" * 32)
        proposed = await call(ana, "commons.stewards.add", steward=key, quorum=2)
        assert (proposed["state"], proposed["lacking"]) == ("waiting", 1)
        assert (await call(ana, "commons.sign", card=proposed["card"]))["lacking"] == 1
        assert (await call(ana, "commons.renew"))["state"] == "published"
        assert (await call(ana, "commons.card"))["state"] == "followed"
        await call(ana, "commons.reach", reach="direct")
        await call(ana, "commons.lan", on=False)
        with pytest.raises(LocalError, match="nothing to look"):
            await ana.call("commons.lan", {"on": True})  # this test starts its nodes without a seeker
        await call(ana, "status")
        await call(ana, "clock.confirm")
        await call(ana, "keep", on=True)
        await call(ana, "lock")
        await call(ana, "unlock", passphrase=PASSPHRASE)
        await call(ana, "stop")
        await call(ben, "panic")
    assert answered == {name: set(method.result) for name, method in METHODS.items()}


async def test_what_came_while_locked_is_read_after_unlocking(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana, open_citizen(tmp_path / "ben", Config()) as ben:
        talk = await found(ana, "Ana")
        await admitted(ben, await join(ben, "Ben", await invited(ana, talk)))
        await ana.call("lock", {})
        assert ana.service.state is State.LOCKED
        await ben.call("say", {"dialogue": talk, "text": "while you sleep"})
        await sent(ben)  # a locked node keeps frames for everyone, itself included
        assert messages(ana, talk) == []
        with pytest.raises(LocalError, match="not the passphrase"):
            await ana.call("unlock", {"passphrase": "wrong"})
        assert ana.service.state is State.LOCKED
        await ana.call("unlock", {"passphrase": PASSPHRASE})
        await sees(ana, talk, "while you sleep")


async def test_held_knock_admitted_and_refused(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ana, ben, eva = [
            await stack.enter_async_context(open_citizen(tmp_path / name, Config())) for name in ("ana", "ben", "eva")
        ]
        talk = await found(ana, "Ana")
        invite = await invited(ana, talk, uses=2, ask=True)
        joins = [await join(ben, "Ben", invite), await join(eva, "Eva", invite)]
        await until(ana, lambda: len(ana.service.core.knocks) == 2)
        assert {row["nick"] for row in (await ana.call("knocks"))["knocks"]} == {"Ben", "Eva"}
        await ana.call("admit", {"knock": "Ben"})
        await ana.call("refuse", {"knock": "Eva"})
        await admitted(ben, joins[0])
        answer = await eva.call("wait", {"for": "join", "join": joins[1], "seconds": 20})
        assert answer == {"state": "refused", "dialogue": None, "alone": False}


async def test_a_port_that_is_taken_costs_listening_only(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        address = str((await row_of(ana))["address"])
        async with open_citizen(tmp_path / "ben", Config()) as ben:
            await admitted(ben, await join(ben, "Ben", await invited(ana, talk)))
            await ben.call("say", {"dialogue": talk, "text": "first"})
            await sees(ana, talk, "first")
    port = int(address.rsplit("/", 1)[1])
    taken = trio.socket.socket()
    with taken:
        await taken.bind(("127.0.0.1", port))
        taken.listen(1)
        async with open_citizen(tmp_path / "ana", Config()) as ana:
            await ana.call("unlock", {"passphrase": PASSPHRASE})
            await until(ana, lambda: network_of(ana).problem is not None)
            row = await row_of(ana)
            assert row["listening"] is False
            assert "cannot listen" in str(row["error"])
            assert (await ana.call("say", {"dialogue": talk, "text": "second"}))["state"] == "stored"


async def test_peers_of_the_settings_reach_without_the_founder(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        async with open_citizen(tmp_path / "ben", Config()) as ben:
            await admitted(ben, await join(ben, "Ben", await invited(ana, talk)))
    async with open_citizen(tmp_path / "ben", Config()) as ben:
        await ben.call("unlock", {"passphrase": PASSPHRASE})
        assert network_of(ben).reached == 0
    # The same community once more, its founder at another place that only the settings know.
    config = Config()
    config = replace(config, network=replace(config.network, listen=("/ip4/127.0.0.1/tcp/0",)))
    async with open_citizen(tmp_path / "ben", config) as ben:
        await ben.call("unlock", {"passphrase": PASSPHRASE})
        await until(ben, lambda: bool(network_of(ben).addresses))
        (address,) = network_of(ben).addresses
        config = replace(config, network=replace(config.network, listen=(), peers=(address,)))
        async with open_citizen(tmp_path / "ana", config) as ana:
            await ana.call("unlock", {"passphrase": PASSPHRASE})
            await ana.call("say", {"dialogue": talk, "text": "over there"})
            await sees(ben, talk, "over there")
            await init_is_refused(ana)


async def init_is_refused(citizen: Citizen) -> None:
    with pytest.raises(LocalError, match="set up already"):
        await init(citizen, "Again")


async def test_what_is_over_quota_is_read_and_not_kept(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana, open_citizen(tmp_path / "ben", Config()) as ben:
        talk = await found(ana, "Ana")
        await admitted(ben, await join(ben, "Ben", await invited(ana, talk)))
        await ana.call("say", {"dialogue": talk, "text": "hola"})
        await sees(ben, talk, "hola")
        holdings = carrier_of(ben).holdings
        holdings.allow(Allowance(0, 0))  # from now on Ben's archive takes nothing more today, of anybody
        kept = len(holdings)
        for text in ("is this", "still read"):
            await ana.call("say", {"dialogue": talk, "text": text})
        await sees(ben, talk, "hola", "is this", "still read")
        assert len(holdings) == kept
        assert carrier_of(ben).counts["quota gone"] >= 2
    async with open_citizen(tmp_path / "ben", Config()) as ben:
        await ben.call("unlock", {"passphrase": PASSPHRASE})
        assert sorted(messages(ben, talk)) == ["hola", "is this", "still read"]
