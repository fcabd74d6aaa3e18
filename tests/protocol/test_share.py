"""Shares: only the right member, from the right sender, for the right epoch."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol import epoch as epochs
from tertulia.protocol import hpke
from tertulia.protocol.crypto import box_seal
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import DialogueId, EpochId, PersonaId, PrekeyId, RoomId
from tertulia.protocol.item import pack
from tertulia.protocol.persona import Persona
from tertulia.protocol.prekey import PrekeySecret
from tertulia.protocol.share import CONTEXT, SEALED, HpkeRequest, Share, open_share, share_context, share_plaintext

DIALOGUE = DialogueId(b"d" * 32)
RUTH, OMAR, EVE = (Persona(bytes([n]) * 32, bytes([n + 1]) * 32) for n in (10, 20, 30))
PREKEY = PrekeySecret(b"\1" * 32, b"\2" * 96, 1_000, 30)
OTHER = PrekeySecret(b"\3" * 32, b"\4" * 96, 1_000, 30)
SECRET = b"\7" * 32
NONCE = b"n" * 24
EPOCH = epochs.make_epoch(
    DIALOGUE,
    RoomId(b"r" * 32),
    (),
    epochs.roster_hash([RUTH.id(DIALOGUE), OMAR.id(DIALOGUE)]),
    RUTH.id(DIALOGUE),
    epochs.commitment(SECRET),
    1_000,
)
CONTEXT_BYTES = share_context(EPOCH, RUTH.id(DIALOGUE), OMAR.id(DIALOGUE), PREKEY.public.id)


def sealed(inner, info=CONTEXT_BYTES):
    return Share(EPOCH.id, RUTH.id(DIALOGUE), PREKEY.public.id, hpke.seal(PREKEY.public.hpke, info, inner))


def inner(context=CONTEXT_BYTES, secret=SECRET):
    return share_plaintext(RUTH.box_secret, PREKEY.public.box, NONCE, context, secret)


def opened(share, prekey=PREKEY, sender=RUTH, context=CONTEXT_BYTES, commitment=EPOCH.commitment):
    return open_share(share, prekey, sender.keys, context, commitment)


GOOD = sealed(inner())


def test_the_recipient_opens_it():
    assert opened(GOOD) == SECRET
    assert len(GOOD.sealed) == SEALED
    assert len(CONTEXT_BYTES) == CONTEXT


def test_the_recipient_could_have_made_it():
    forged = box_seal(PREKEY.box_secret, RUTH.keys.box, NONCE, CONTEXT_BYTES + SECRET)
    assert forged == inner()


def test_another_prekey_opens_nothing():
    assert opened(GOOD, prekey=OTHER) is None
    assert opened(GOOD, prekey=replace(PREKEY, box_secret=b"\3" * 32)) is None


def test_a_share_from_somebody_else_is_refused():
    assert opened(GOOD, sender=EVE) is None


@pytest.mark.parametrize(
    "context",
    [
        share_context(EPOCH, EVE.id(DIALOGUE), OMAR.id(DIALOGUE), PREKEY.public.id),
        share_context(EPOCH, RUTH.id(DIALOGUE), EVE.id(DIALOGUE), PREKEY.public.id),
        share_context(EPOCH, RUTH.id(DIALOGUE), OMAR.id(DIALOGUE), OTHER.public.id),
        share_context(replace(EPOCH, id=EpochId(b"e" * 32)), RUTH.id(DIALOGUE), OMAR.id(DIALOGUE), PREKEY.public.id),
        share_context(replace(EPOCH, room=RoomId(b"s" * 32)), RUTH.id(DIALOGUE), OMAR.id(DIALOGUE), PREKEY.public.id),
        share_context(
            replace(EPOCH, dialogue=DialogueId(b"e" * 32)), RUTH.id(DIALOGUE), OMAR.id(DIALOGUE), PREKEY.public.id
        ),
    ],
)
def test_a_share_moved_elsewhere_is_refused_by_both_layers(context):
    assert opened(GOOD, context=context) is None
    assert opened(sealed(inner(), info=context), context=context) is None


def test_another_secret_than_the_one_committed_to_is_refused():
    assert opened(sealed(inner(secret=b"\x08" * 32))) is None
    assert opened(GOOD, commitment=epochs.commitment(b"\x08" * 32)) is None


@pytest.mark.parametrize("secret", [b"", SECRET[:31], SECRET + b"\0"])
def test_a_secret_of_another_length_is_refused_even_if_it_was_committed_to(secret):
    assert opened(sealed(inner(secret=secret)), commitment=epochs.commitment(secret)) is None


@given(st.integers(0, SEALED - 1), st.integers(1, 255))
def test_no_changed_byte_passes(at, flip):
    broken = bytearray(GOOD.sealed)
    broken[at] ^= flip
    assert opened(replace(GOOD, sealed=bytes(broken))) is None


@given(st.binary(max_size=200))
def test_no_bytes_bring_it_down(junk):
    assert opened(replace(GOOD, sealed=junk)) is None
    assert opened(sealed(junk)) is None


def test_it_survives_the_wire():
    assert Share.from_item(GOOD.to_item()) == GOOD


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        GOOD.to_value()[:3],
        [*GOOD.to_value(), 1],
        [b"", *GOOD.to_value()[1:]],
        [*GOOD.to_value()[:3], b""],
        [*GOOD.to_value()[:3], GOOD.sealed + b"\0"],
        ["e" * 32, *GOOD.to_value()[1:]],
    ],
)
def test_another_shape_is_refused(value):
    with pytest.raises(RemoteError) as refused:
        Share.from_value(value)
    assert refused.value.reason is RejectReason.SHAPE


def test_two_shares_fit_a_medium_frame_and_ten_a_large_one():
    shares = [GOOD.to_item()] * 10
    assert len(pack(shares[:2], FrameClass.MEDIUM)) == 1
    assert len(pack(shares, FrameClass.LARGE)) == 1
    assert len(GOOD.to_item().encoded()) == 1_536


def test_neither_a_share_nor_a_request_shows_what_it_holds():
    assert "sealed" not in repr(GOOD)
    assert repr(HpkeRequest(b"a", b"b", b"c")) == "HpkeRequest()"


def test_ids_are_what_the_sender_says():
    share = Share(EpochId(b"e" * 32), PersonaId(b"p" * 32), PrekeyId(b"k" * 32), bytes(SEALED))
    assert encode(share.to_value()) == encode([b"e" * 32, b"p" * 32, b"k" * 32, bytes(SEALED)])
