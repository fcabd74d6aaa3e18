"""Known answers of docs/spec/keys.md and docs/spec/invite.md, made by tests/vectors/make_keys.py without this code."""

import json
from pathlib import Path

import pytest

from tertulia.protocol import epoch as epochs
from tertulia.protocol import hpke
from tertulia.protocol.address import NOWHERE, from_multiaddr
from tertulia.protocol.card import Card, card_hash, card_keys, knock_info, secret_of
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import LocalError
from tertulia.protocol.event import to_item
from tertulia.protocol.frame import FrameKeys
from tertulia.protocol.invite import FAULTS, Fault, Invite, decode_invite, encode_invite
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.knock import Knock, knock_id, knock_keys, make_knock, short_code
from tertulia.protocol.mark import Lack, decode_mark
from tertulia.protocol.pair import pair_keys
from tertulia.protocol.persona import Persona, PersonaKeys
from tertulia.protocol.prekey import Prekey, PrekeySecret, renew_at
from tertulia.protocol.retold import Retold, open_retold, request, retold_context
from tertulia.protocol.session import Introduction, Session, check_introduction, introduction_mac
from tertulia.protocol.share import SEALED, Share, open_share, share_context, share_plaintext
from tertulia.protocol.welcome import welcome_keys

VECTORS = Path(__file__).parents[1] / "vectors"


def bytes_of(value):
    """The JSON with its hex strings as bytes; what is no hex stays."""
    match value:
        case str():
            try:
                return bytes.fromhex(value)
            except ValueError:
                return value
        case dict():
            return {name: bytes_of(one) for name, one in value.items()}
        case list():
            return [bytes_of(one) for one in value]
    return value


KEYS = bytes_of(json.loads((VECTORS / "keys.json").read_text("utf-8")))
INVITE = json.loads((VECTORS / "invite.json").read_text("utf-8"))
CARD, KNOCK = bytes_of(INVITE["card"]), bytes_of(INVITE["knock"])


def frame_keys(vector):
    return FrameKeys(vector["tag"], vector["aead"])


def persona(vector):
    return Persona(vector["sign_seed"], vector["box_secret"])


def prekey(vector):
    return PrekeySecret(vector["box_secret"], vector["hpke_seed"], vector["born"], vector["retention_days"])


@pytest.mark.parametrize("vector", KEYS["personas"], ids=["ruth", "omar", "yusuf"])
def test_persona(vector):
    someone = persona(vector)
    assert someone.keys == PersonaKeys(vector["sign"], vector["box"])
    assert someone.id(KEYS["dialogue"]) == vector["id"]


@pytest.mark.parametrize("vector", [KEYS["prekey"], KNOCK["prekey"]], ids=["keys", "invite"])
def test_prekey(vector):
    mine = prekey(vector).public
    assert encode(mine.to_value()) == vector["value"]
    assert Prekey.from_value(decode(vector["value"], 2048)) == mine
    assert (mine.id, mine.expires, renew_at(mine)) == (vector["id"], vector["expires"], vector["renew_at"])


def test_introduction():
    vector = KEYS["introduction"]
    ruth, omar, _ = KEYS["personas"]
    session = Session(vector["session_seed"], 0, vector["start"])
    following = Session(vector["following_seed"], vector["start"], vector["end"])
    assert (session.actor, following.actor) == (vector["session"], vector["key"])
    said = Introduction(
        KEYS["dialogue"],
        session.actor,
        ruth["id"],
        following.actor,
        following.start,
        following.end,
        tuple(vector["heads"]),
        vector["state_hash"],
    )
    assert introduction_mac(ruth["box_secret"], omar["box"], said, omar["id"]) == vector["mac"]
    assert check_introduction(omar["box_secret"], ruth["box"], said, omar["id"], vector["mac"])


def the_epoch():
    vector = KEYS["epoch"]
    roster = epochs.roster_hash(one["id"] for one in KEYS["personas"])
    sealer = KEYS["personas"][0]["id"]
    said = epochs.commitment(vector["secret"])
    return epochs.make_epoch(KEYS["dialogue"], KEYS["room"], vector["parents"], roster, sealer, said, vector["created"])


def test_epoch():
    vector, epoch = KEYS["epoch"], the_epoch()
    assert (epoch.id, epoch.roster_hash, epoch.commitment) == (
        vector["id"],
        vector["roster_hash"],
        vector["commitment"],
    )
    assert epochs.epoch_keys(vector["secret"]) == frame_keys(vector["keys"])
    assert epochs.door_secret(vector["secret"]) == vector["door"]
    assert epochs.door_keys(vector["door"]) == frame_keys(vector["door_keys"])
    assert epochs.window(vector["created"]) == (vector["first_minute"], vector["last_minute"])


def test_share():
    vector, epoch = KEYS["share"], the_epoch()
    ruth, omar, _ = KEYS["personas"]
    mine = prekey(KEYS["prekey"])
    context = share_context(epoch, ruth["id"], omar["id"], mine.public.id)
    secret = KEYS["epoch"]["secret"]
    assert context == vector["context"]
    inner = share_plaintext(ruth["box_secret"], mine.public.box, vector["nonce"], context, secret)
    assert inner == vector["plaintext"]
    share = Share(epoch.id, ruth["id"], mine.public.id, vector["sealed"])
    assert len(share.sealed) == SEALED
    assert open_share(share, mine, persona(ruth).keys, context, epoch.commitment) == secret


def test_pair():
    ruth, omar, _ = KEYS["personas"]
    assert pair_keys(ruth["box_secret"], omar["box"]) == frame_keys(KEYS["pair"])
    assert pair_keys(omar["box_secret"], ruth["box"]) == frame_keys(KEYS["pair"])


@pytest.mark.parametrize("vector", KEYS["lacks"], ids=["of all kinds", "everything", "keys alone"])
def test_lack(vector):
    cut = None if vector["cut"] is None else tuple(vector["cut"])
    lack = Lack(*(tuple(vector[name]) for name in ("asked", "epochs", "events")), cut)
    assert lack.encode() == vector["body"]
    assert decode_mark(vector["body"]) == lack


@pytest.mark.parametrize("vector", KEYS["retold"], ids=["more to come", "nothing"])
def test_retold(vector):
    ruth, omar, _ = KEYS["personas"]
    mine = prekey(KEYS["prekey"])
    context = retold_context(KEYS["dialogue"], ruth["id"], omar["id"], mine.public.id)
    assert context == vector["context"]
    told = Retold(ruth["id"], mine.public.id, vector["sealed"])
    events, more = open_retold(told, mine, persona(ruth).keys, context)
    assert [to_item(event).body for event in events] == vector["events"]
    assert [event.body is None for event in events] == [False, True][: len(events)]
    assert more == vector["more"]
    one = request(ruth["box_secret"], mine.public, vector["nonce"], context, events, more=more)
    assert (one.public, one.info, one.plaintext) == (mine.public.hpke, context, vector["plaintext"])


@pytest.mark.parametrize("vector", INVITE["invites"], ids=lambda vector: vector["address"] or "none")
def test_invite(vector):
    address = from_multiaddr(vector["address"])[0] if vector["address"] else NOWHERE
    key, secret, peer = (bytes.fromhex(vector[name]) for name in ("commons_key", "secret", "peer"))
    invite = Invite(key, secret, peer, address, vector["generation"])
    assert encode_invite(invite) == vector["text"]
    assert decode_invite(vector["text"]) == invite


@pytest.mark.parametrize("vector", INVITE["refused"], ids=lambda vector: vector["fault"])
def test_refused_invite(vector):
    with pytest.raises(LocalError) as refused:
        decode_invite(vector["text"])
    assert refused.value.problem == FAULTS[Fault(vector["fault"])]


def the_card():
    return Card(**{**CARD["fields"], "inviter": PersonaKeys(*CARD["fields"]["inviter"])})


def test_card():
    card = the_card()
    assert card.encoded() == CARD["bytes"]
    assert Card.from_item(Item(ItemType.CARD, CARD["bytes"]), CARD["secret"]) == card
    assert (secret_of(card), card_hash(card)) == (CARD["secret"], CARD["hash"])
    assert card_keys(CARD["secret"]) == frame_keys(CARD["keys"])


def test_knock():
    card, guest = the_card(), persona(KNOCK["persona"])
    session = Session(KNOCK["session_seed"], 0, 1440)
    prekeys = (prekey(KNOCK["prekey"]).public,)
    made = make_knock(card, guest, session, prekeys, KNOCK["nickname"], KNOCK["welcome_secret"], KNOCK["charter_hash"])
    assert made.encoded() == KNOCK["plaintext"]
    assert knock_id(KNOCK["plaintext"]) == KNOCK["id"]
    assert knock_info(card) == KNOCK["info"]
    opened = hpke.unseal(CARD["hpke_seed"], KNOCK["info"], KNOCK["sealed"])
    assert Knock.verified(opened, card) == made
    assert short_code(card, made) == INVITE["knock"]["code"]
    assert knock_keys(CARD["secret"]) == frame_keys(KNOCK["keys"])
    assert welcome_keys(KNOCK["welcome_secret"]) == frame_keys(KNOCK["welcome_keys"])
