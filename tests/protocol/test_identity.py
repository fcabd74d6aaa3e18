"""Identities, reveals, safety numbers, offers: known answers and hostile bytes. Spec: docs/spec/identity.md."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tertulia.protocol import hpke, offer, reveal
from tertulia.protocol.crypto import sign
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameKeys
from tertulia.protocol.identity import LIMIT_DEVICES, Device, DeviceList, Identity, new_identity, safety_number
from tertulia.protocol.labels import Label
from tertulia.protocol.letter import letter
from tertulia.protocol.offer import Offer, contact_keys, open_offer
from tertulia.protocol.persona import Persona, PersonaKeys
from tertulia.protocol.prekey import PrekeySecret
from tertulia.protocol.reveal import Place, Reveal, open_reveal

PATH = Path(__file__).parents[1] / "vectors" / "identity.json"
TEXTS = {"invite", "safety_number"}


def bytes_of(value, name=""):
    match value:
        case str():
            return value if name in TEXTS else bytes.fromhex(value)
        case dict():
            return {key: bytes_of(one, key) for key, one in value.items()}
        case list():
            return [bytes_of(one) for one in value]
    return value


KNOWN = bytes_of(json.loads(PATH.read_text("utf-8")))
RUTH, OMAR = (Identity(one["seed"], one["box_secret"], one["hpke_seed"]) for one in KNOWN["identities"])
HER, HIM = (Persona(one["sign_seed"], one["box_secret"]) for one in KNOWN["personas"])
PLACE = Place(KNOWN["dialogue"], KNOWN["personas"][0]["id"], KNOWN["personas"][1]["id"])
PREKEY = PrekeySecret(
    KNOWN["prekey"]["box_secret"], KNOWN["prekey"]["hpke_seed"], KNOWN["prekey"]["born"],
    KNOWN["prekey"]["retention_days"],
)  # fmt: skip


@pytest.mark.parametrize("place", [0, 1], ids=["ruth", "omar"])
def test_the_list_of_devices(place):
    vector, mine = KNOWN["identities"][place], (RUTH, OMAR)[place]
    assert (mine.devices.root, mine.devices.signed, mine.devices.proof) == (
        vector["root"], vector["signed"], vector["proof"],
    )  # fmt: skip
    assert mine.devices.digest == vector["digest"]
    assert DeviceList.from_value([vector["signed"], vector["proof"]]) == mine.devices
    assert Identity.decode(mine.encode()) == mine


def test_an_identity_is_drawn_and_its_secrets_not_shown():
    mine = new_identity(lambda size: b"\7" * size)
    assert mine == Identity(b"\7" * 32, b"\7" * 32, b"\7" * 96)
    for secret in ("seed", "box_secret", "hpke"):
        assert secret not in repr(mine)


def test_a_reveal():
    vector = KNOWN["reveal"]
    one = reveal.request(PLACE, RUTH, HER, HIM.keys, PREKEY.public, vector["nonce"])
    assert (one.public, one.info, one.plaintext) == (PREKEY.public.hpke, vector["context"], vector["plaintext"])
    shown = Reveal.from_value(Reveal(PLACE.sender, PREKEY.public.id, vector["sealed"]).to_item().body)
    assert open_reveal(PLACE, shown, PREKEY, HER.keys, HIM) == RUTH.devices
    with pytest.raises(ValueError, match="low order"):
        reveal.request(PLACE, RUTH, HER, PersonaKeys(bytes(32), bytes(32)), PREKEY.public, bytes(24))


def test_the_safety_number_is_the_same_on_both_screens():
    assert safety_number(RUTH.devices, OMAR.devices) == KNOWN["safety_number"]
    assert safety_number(OMAR.devices, RUTH.devices) == KNOWN["safety_number"]
    later = replace(OMAR.devices, counter=2)
    assert safety_number(RUTH.devices, later) != KNOWN["safety_number"]


def test_an_offer():
    vector, words = KNOWN["offer"], Offer(KNOWN["invite"], "Fährfahrt für alle", 29_700_100)
    his, hers = OMAR.devices.devices[0], RUTH.devices.devices[0]
    assert words.encode() == vector["words"]
    one = offer.request(words, RUTH, OMAR.devices.root, his, vector["nonce"])
    assert (one.public, one.info, one.plaintext) == (his.hpke, vector["context"], vector["plaintext"])
    item = offer.offer_item(vector["sealed"])
    assert open_offer(item, OMAR, RUTH.devices.root, hers) == words
    keys = FrameKeys(KNOWN["contact"]["tag"], KNOWN["contact"]["aead"])
    assert contact_keys(RUTH, his) == contact_keys(OMAR, hers) == keys
    with pytest.raises(ValueError, match="low order"):
        contact_keys(RUTH, Device(bytes(32), his.hpke))
    with pytest.raises(RemoteError) as refused:
        open_offer(item, OMAR, bytes(32), hers)
    assert refused.value.reason is RejectReason.SEAL


def refused(value, reason):
    with pytest.raises(RemoteError) as found:
        DeviceList.from_value(value)
    assert found.value.reason is reason


def signed_list(*devices, counter=1, by=RUTH, root=None):
    covered = encode([root or RUTH.devices.root, counter, list(devices)])
    return [covered, sign(by.seed, Label.DEVICES, covered)]


def test_a_list_that_the_root_did_not_sign_is_refused():
    device = [RUTH.devices.devices[0].box, RUTH.devices.devices[0].hpke]
    assert DeviceList.from_value(signed_list(device, device, counter=2)).counter == 2
    refused(signed_list(device, by=OMAR), RejectReason.PROOF)
    refused(signed_list(device, root=bytes(32)), RejectReason.PROOF)
    refused(signed_list(device, counter=0), RejectReason.SHAPE)
    refused(signed_list(*[device] * (LIMIT_DEVICES + 1)), RejectReason.SIZE)
    refused(signed_list([bytes(32), device[1]]), RejectReason.KEY)
    refused(signed_list([device[0], b"\xff" * hpke.PUBLIC]), RejectReason.KEY)
    refused([signed_list(device)[0]], RejectReason.SHAPE)


def shown(words, place=PLACE, nonce=bytes(24)):
    """A letter from Ruth's persona that says just these words."""
    context = place.context(PREKEY.public.id)
    one = letter(HER.box_secret, PREKEY.public.box, PREKEY.public.hpke, nonce, context, encode(words))
    return Reveal(PLACE.sender, PREKEY.public.id, hpke.seal(one.public, one.info, one.plaintext))


def test_whose_device_it_is_cannot_be_claimed_for_another():
    mac = PLACE.mac(bytes(32), RUTH.devices)
    elsewhere = Place(bytes(32), PLACE.sender, PLACE.recipient)
    for words, reason in (
        ([RUTH.devices.to_value(), 0, mac], RejectReason.PROOF),  # who knows the list, and no device of it
        ([RUTH.devices.to_value(), 0, mac[:16]], RejectReason.SHAPE),
        ([RUTH.devices.to_value(), 1, mac], RejectReason.SHAPE),
        ([RUTH.devices.to_value(), LIMIT_DEVICES, mac], RejectReason.SHAPE),
        ([RUTH.devices.to_value(), 0], RejectReason.SHAPE),
    ):
        with pytest.raises(RemoteError) as found:
            open_reveal(PLACE, shown(words), PREKEY, HER.keys, HIM)
        assert found.value.reason is reason
    with pytest.raises(RemoteError) as found:
        open_reveal(PLACE, shown([], elsewhere), PREKEY, HER.keys, HIM)
    assert found.value.reason is RejectReason.SEAL


def test_what_is_shown_to_one_proves_nothing_when_they_show_it_on():
    """Omar can make the very MAC that he was shown: with his persona and her device's public half."""
    from tertulia.protocol.crypto import dh

    hers = dh(RUTH.box_secret, HIM.keys.box)
    his = dh(HIM.box_secret, RUTH.devices.devices[0].box)
    assert hers is not None
    assert his is not None
    assert PLACE.mac(hers, RUTH.devices) == PLACE.mac(his, RUTH.devices)
    back = Place(PLACE.dialogue, PLACE.recipient, PLACE.sender)
    assert back.mac(his, RUTH.devices) != PLACE.mac(his, RUTH.devices)  # it cannot be reflected


@pytest.mark.parametrize("words", [["no invite", "", 0], [KNOWN["invite"], "t" * 81, 0], [KNOWN["invite"], "", -1]])
def test_an_offer_of_something_else_is_refused(words):
    with pytest.raises(RemoteError) as found:
        Offer.decode(encode(words))
    assert found.value.reason is RejectReason.SHAPE
