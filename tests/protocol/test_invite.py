"""Invites: any way a person may carry one, any way one may be wrong."""

import base64

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.address import NOWHERE, Address, AddressKind, from_multiaddr
from tertulia.protocol.crypto import digest
from tertulia.protocol.errors import LocalError
from tertulia.protocol.invite import (
    FAULTS,
    LIMIT_INVITE_LETTERS,
    LIMIT_INVITE_TEXT,
    Fault,
    Invite,
    decode_invite,
    encode_invite,
    invite_keys,
)
from tertulia.protocol.labels import Label

ADDRESSES = [
    NOWHERE,
    from_multiaddr("/ip4/192.0.2.7/tcp/4001")[0],
    from_multiaddr("/ip6/2001:db8::1/tcp/4001")[0],
    from_multiaddr("/dns4/home.example.org/tcp/4001")[0],
    from_multiaddr(f"/dns4/{'a' * 28}.org/tcp/4001")[0],
]
INVITE = Invite(bytes(range(32)), bytes(range(16)), bytes(range(32, 64)), ADDRESSES[1])
TEXT = encode_invite(INVITE)

invites = st.builds(
    Invite,
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=32, max_size=32),
    st.sampled_from(ADDRESSES),
    st.integers(0, 255),
)


def faulted(text):
    with pytest.raises(LocalError) as refused:
        decode_invite(text)
    return next(fault for fault, problem in FAULTS.items() if problem == refused.value.problem)


def text_of(body):
    data = body + digest(Label.INVITE_CHECK, body)[:4]
    return base64.b32encode(data).decode().rstrip("=")


def body_of(invite):
    text = encode_invite(invite)
    return base64.b32decode(text + "=" * (-len(text) % 8))[:-4]


@given(invites)
def test_an_invite_is_read_as_it_was_written(invite):
    text = encode_invite(invite)
    assert decode_invite(text) == invite
    assert len(text) <= LIMIT_INVITE_LETTERS
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


@pytest.mark.parametrize(
    "carried",
    [
        TEXT.lower(),
        f"tertulia:{TEXT}",
        f"Tertulia://{TEXT.lower()}",
        f'"{TEXT}"',
        f"“{TEXT}”",
        f"  <{TEXT}>\r\n",
        "-".join(TEXT[at : at + 5] for at in range(0, len(TEXT), 5)),
        "\n".join(TEXT[at : at + 40] for at in range(0, len(TEXT), 40)),
        "> " + "\n> ".join(TEXT[at : at + 40] for at in range(0, len(TEXT), 40)),
        "\u200b".join(TEXT),
        TEXT.replace("A", "A\u00a0"),
    ],
)
def test_it_survives_mail_chat_and_typing(carried):
    assert decode_invite(carried) == INVITE


@pytest.mark.parametrize("address", ADDRESSES)
def test_its_qr_code_has_at_most_41_modules(address):
    text = encode_invite(Invite(bytes([255] * 32), bytes([255] * 16), bytes([255] * 32), address))
    code = segno.make(text, mode="alphanumeric", error="L", micro=False, boost_error=False)
    assert code.symbol_size(border=0)[0] <= 41


@pytest.mark.parametrize(
    "text",
    ["", " ", "hello", "https://example.org/join", "ÄÖÜ", "AE", "AEAQ", TEXT[3:], "A" * 100, "x" * 3000, "💬" * 50],
)
def test_what_is_no_invite_is_called_so(text):
    assert faulted(text) is Fault.NOT_AN_INVITE


@pytest.mark.parametrize(
    "text",
    [TEXT[:-1], TEXT[:-20], TEXT + "A", TEXT + TEXT, TEXT.replace("B", "8", 1), TEXT[:60] + "é" + TEXT[61:], TEXT[:40]],
)
def test_a_part_of_an_invite_is_called_damaged(text):
    assert faulted(text) is Fault.DAMAGED


@given(st.integers(2, len(TEXT) - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_any_wrong_letter_is_noticed(at, letter):
    broken = TEXT[:at] + letter + TEXT[at + 1 :]
    if broken != TEXT:
        assert faulted(broken) is Fault.DAMAGED


@given(st.integers(0, len(TEXT) - 2))
def test_two_swapped_letters_are_noticed(at):
    swapped = TEXT[:at] + TEXT[at + 1] + TEXT[at] + TEXT[at + 2 :]
    if swapped != TEXT:
        assert faulted(swapped) in {Fault.DAMAGED, Fault.NOT_AN_INVITE}


def test_another_version_is_called_so():
    assert faulted(text_of(b"\2" + b"who knows what comes after")) is Fault.OTHER_VERSION
    assert faulted(text_of(bytes(1))) is Fault.OTHER_VERSION


def test_a_checked_text_of_an_impossible_content_is_damaged():
    good = body_of(INVITE)
    nowhere = body_of(Invite(INVITE.commons_key, INVITE.secret, INVITE.peer))
    assert faulted(text_of(nowhere[:-1])) is Fault.DAMAGED
    assert faulted(text_of(nowhere[:30])) is Fault.DAMAGED
    assert faulted(text_of(b"\1\1")) is Fault.DAMAGED
    assert faulted(text_of(good[:-20])) is Fault.DAMAGED
    assert faulted(text_of(good[:50] + b"\4" + good[51:])) is Fault.DAMAGED
    assert faulted(text_of(good[:51] + bytes(4) + good[55:])) is Fault.DAMAGED
    assert faulted(text_of(good[:50] + b"\3" + b"a" * 33 + b"\1\1" + good[-32:])) is Fault.DAMAGED


def test_unused_bits_at_the_end_must_be_zero():
    data = base64.b32decode(TEXT + "=" * (-len(TEXT) % 8))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    assert len(data) * 8 % 5 != 0
    twin = TEXT[:-1] + alphabet[alphabet.index(TEXT[-1]) + 1]
    assert base64.b32decode(twin + "=" * (-len(twin) % 8)) == data
    assert faulted(twin) is Fault.DAMAGED


@given(st.text(max_size=300) | st.text("AEaeQ234567-:\n ", max_size=300))
def test_no_text_brings_it_down(text):
    try:
        invite = decode_invite(text)
    except LocalError:
        return
    assert decode_invite(encode_invite(invite)) == invite


def test_a_novel_is_not_searched_for_an_invite():
    assert faulted(TEXT + " " * LIMIT_INVITE_TEXT) is Fault.NOT_AN_INVITE


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_three_sentences_of_its_own(fault):
    problem = FAULTS[fault]
    for sentence in (problem.error, problem.safe, problem.next):
        assert sentence.endswith(".")
    assert sum(problem.error == other.error for other in FAULTS.values()) == 1


def test_its_repr_gives_nothing_away():
    shown = repr(INVITE)
    assert shown == "Invite(generation=1, version=1)"
    assert "192" not in repr(Address(AddressKind.IP4, "192.0.2.7", 4001))


def test_each_label_has_keys_of_its_own():
    card, knock = (invite_keys(INVITE.secret, label) for label in (Label.CARD_FRAME, Label.KNOCK_FRAME))
    assert len({card.tag, card.aead, knock.tag, knock.aead}) == 4
