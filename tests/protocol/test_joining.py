"""The guest's side when things are not as they should be. Spec: docs/spec/invite.md."""

from dataclasses import replace

import pytest
from village import MINUTE, Citizen, Village

from tertulia.protocol import hpke, joining, views
from tertulia.protocol.card import Card, card_keys, knock_info
from tertulia.protocol.core import Core
from tertulia.protocol.effects import Table
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.frame import seal as seal_frame
from tertulia.protocol.inputs import HpkeSealed
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.knock import knock_item, knock_keys
from tertulia.protocol.welcome import Welcome, welcome_keys


def put_on_wire(village: Village, sender: Citizen, keys: object, *items: Item) -> None:
    nonce = village.dice.randbytes(24)
    minute = village.now // MINUTE
    frame = seal_frame(village.commons.key, keys, FrameClass.LARGE, minute, nonce, items)  # type: ignore[arg-type]
    village.wire.append((sender, frame))
    village.settle()


def knocked(village: Village) -> tuple[Citizen, Citizen, joining.Joining]:
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    village.join(omar, village.invite(ruth, dialogue, ask=True))
    (join,) = omar.core.joins.values()
    return ruth, omar, join


def test_a_false_card_is_named_and_the_true_one_still_counts() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue)
    (made,) = ruth.core.invites.values()
    true, omar.archive = dict(omar.archive), {}
    village.join(omar, invite)
    false = replace(made.card, uses=made.card.uses + 1)
    put_on_wire(village, ruth, card_keys(made.secret), false.to_item())
    (row,) = views.joins(omar.core)
    assert (row["state"], "not what its author published" in str(row["problem"])) == ("looking", True)
    from tertulia.protocol.inputs import FrameArrived

    omar.run(*(FrameArrived(village.commons.id, frame) for frame in true.values()))
    village.wait(5_000)
    (row,) = views.joins(omar.core)
    assert (row["state"], row["problem"]) == ("admitted", "")


def test_a_guest_learns_what_the_community_calls_itself() -> None:
    village = Village()
    ruth = village.citizen("Ruth")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue)
    called, village.commons = village.commons, replace(village.commons, name="")
    omar = village.citizen("Omar")
    assert omar.core.commons[called.id].name == ""
    village.join(omar, invite)
    assert omar.core.commons[called.id].name == called.name


@pytest.mark.parametrize("spoil", ["checkpoint", "shares", "other", "stranger"])
def test_a_welcome_that_seats_nobody_is_refused_and_leaves_no_row(spoil: str) -> None:
    village = Village()
    ruth, omar, join = knocked(village)
    mine = join.mine
    assert mine is not None
    (row,) = views.knocks(ruth.core)
    ruth_says = ruth.core
    from tertulia.protocol.inputs import AdmitKnock

    ruth.ask(AdmitKnock(bytes.fromhex(str(row["knock"]))))
    village.offline(omar)
    village.wait(5_000)
    frame = ruth.published[-1]
    from tertulia.protocol.frame import open as open_frame

    item = next(one for one in open_frame(welcome_keys(mine.knock.welcome_secret), frame))
    good = Welcome.from_item(item)
    match spoil:
        case "checkpoint":
            bad = replace(good, checkpoint=["junk"])
        case "shares":
            bad = replace(good, shares=tuple(replace(share, sealed=bytes(len(share.sealed))) for share in good.shares))
        case "stranger":
            strange = replace(good.shares[0], prekey=type(good.shares[0].prekey)(bytes(32)))
            bad = replace(good, shares=(strange,))
        case _:
            other = village.found(ruth, "Other")
            from tertulia.protocol.fold import checkpoint_of

            told = checkpoint_of(ruth.core.dialogues[other].state, ruth.core.dialogues[other].me)
            bad = replace(good, checkpoint=told.to_value())
    before = {table: dict(rows) for table, rows in omar.rows.items() if rows}
    omar.online = True
    put_on_wire(village, ruth, welcome_keys(mine.knock.welcome_secret), bad.to_item())
    assert [found["state"] for found in views.joins(omar.core)] == ["knocked"]
    assert {table: dict(rows) for table, rows in omar.rows.items() if rows} == before
    assert sum(omar.core.rejects.values()) == 1
    Core.load({table: list(rows.items()) for table, rows in omar.rows.items()}, omar.core.entropy)
    put_on_wire(village, ruth, welcome_keys(mine.knock.welcome_secret), good.to_item())
    assert [found["state"] for found in views.joins(omar.core)] == ["admitted"]
    assert ruth_says is not None


def test_items_that_do_not_belong_on_a_lane_are_rejected() -> None:
    village = Village()
    ruth, omar, join = knocked(village)
    assert join.mine is not None
    before = ruth.core.rejects[RejectReason.SHAPE], omar.core.rejects[RejectReason.SHAPE]
    put_on_wire(village, omar, knock_keys(join.secret), Item(ItemType.EVENT, None))
    put_on_wire(village, ruth, welcome_keys(join.mine.knock.welcome_secret), Item(ItemType.KNOCK, b""))
    assert ruth.core.rejects[RejectReason.SHAPE] == before[0] + 1
    assert omar.core.rejects[RejectReason.SHAPE] == before[1] + 1


def test_knocks_that_do_not_open_or_come_twice_change_nothing() -> None:
    village = Village()
    ruth, omar, join = knocked(village)
    assert join.card is not None
    assert join.mine is not None
    put_on_wire(village, omar, knock_keys(join.secret), knock_item(bytes(2_000)))
    assert ruth.core.rejects[RejectReason.SEAL] == 1
    again = join.mine.knock.request(join.card)
    sealed = hpke.seal(again.public, again.info, again.plaintext)
    put_on_wire(village, omar, knock_keys(join.secret), knock_item(sealed))
    assert len(views.knocks(ruth.core)) == 1
    assert knock_info(join.card) == again.info


def test_a_member_who_knocks_again_with_the_same_persona_is_not_seated_twice() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue, uses=5)
    village.join(omar, invite)
    (join,) = omar.core.joins.values()
    village.wait(5_000)
    (made,) = ruth.core.invites.values()
    from tertulia.protocol.knock import make_knock

    mine = omar.core.dialogues[dialogue]
    prekeys = tuple(secret.public for secret in mine.prekeys.values())
    card: Card = made.card
    rules = mine.state.charter_hash
    knock = make_knock(card, mine.persona, mine.session, prekeys, "Omar again", bytes(32), rules)
    request = knock.request(card)
    sealed = hpke.seal(request.public, request.info, request.plaintext)
    put_on_wire(village, omar, knock_keys(join.secret), knock_item(sealed))
    assert len(views.knocks(ruth.core)) == 1


def test_a_row_that_is_not_ours_is_damage() -> None:
    village = Village()
    ruth, omar, _join = knocked(village)
    for citizen, table in ((omar, Table.JOIN), (ruth, Table.KNOCK), (ruth, Table.INVITE), (ruth, Table.COMMONS)):
        rows = {name: dict(found) for name, found in citizen.rows.items()}
        rows[table] = dict.fromkeys(rows[table], b"\x80")
        with pytest.raises(RemoteError):
            Core.load({name: list(found.items()) for name, found in rows.items()}, citizen.core.entropy)


def test_a_join_survives_restarts_in_every_state() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    invite = village.invite(ruth, village.found(ruth), ask=True)
    omar.archive.clear()
    village.join(omar, invite)
    omar.restart()
    assert [row["state"] for row in views.joins(omar.core)] == ["looking"]
    village.offline(omar)
    village.online(omar)
    omar.restart()
    village.settle()
    assert [row["state"] for row in views.joins(omar.core)] == ["knocked"]
    assert decode_invite(invite).secret == next(iter(omar.core.joins.values())).secret
    omar.run(HpkeSealed(1, (b"",)))
