"""Bodies of every kind: read back as written, bounded, strict; what is unknown survives. Spec: docs/spec/events.md."""

import pytest
from story import Person, drawn, prekey

from tertulia.protocol.body import Kind, Opaque, read_body
from tertulia.protocol.charter import LIMIT_CHARTER, LIMIT_TITLE, Charter, charter_hash, dialogue_id
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.mark import Accept, Alarm, decode_mark
from tertulia.protocol.newcomer import Newcomer
from tertulia.protocol.room import OpenRoom, decode_room
from tertulia.protocol.roster import (
    LIMIT_LASTS,
    LIMIT_MACS,
    LIMIT_NEWCOMERS,
    Admit,
    Announce,
    Cosign,
    Introduce,
    Leave,
    Prekeys,
    Remove,
    Role,
    Settle,
    decode_roster,
)
from tertulia.protocol.say import LIMIT_SAY_TEXT, Say, decode_say

RUTH = Person.named("ruth").newcomer
CHARTER = Charter("conversation", "Visas", RUTH, 30, FrameClass.SMALL, "since", "room", drawn("noise"))
SHARED = Charter("conversation", "Visas", RUTH, 30, FrameClass.SMALL, "since", "room", drawn("noise"), quorum=2)
ID = [drawn(n) for n in range(4)]
ASCENDING = sorted(ID)

WRITTEN = [
    (Kind.CHARTER, CHARTER),
    (Kind.CHARTER, SHARED),
    (Kind.ROSTER, Admit((RUTH, Person.named("omar").newcomer))),
    (Kind.ROSTER, Admit(())),
    (Kind.ROSTER, Leave()),
    (Kind.ROSTER, Remove(ID[0])),
    (Kind.ROSTER, Remove(ID[0], tuple((room, ID[1], 7, ID[2]) for room in ASCENDING))),
    (Kind.ROSTER, Introduce(ID[0], 10, 20, tuple((persona, bytes(16)) for persona in ASCENDING), ID[1])),
    (Kind.ROSTER, Prekeys((prekey("a"), prekey("b", days=7)))),
    (Kind.ROSTER, Announce(ID[0], tuple(ASCENDING), ID[1], ID[2], 29_000_000)),
    (Kind.ROSTER, Role(ID[0], facilitator=True)),
    (Kind.ROSTER, Role(ID[0], facilitator=False)),
    (Kind.ROSTER, Cosign(ID[0])),
    (Kind.ROSTER, Cosign(ID[0], tuple((room, ID[1], 7, ID[2]) for room in ASCENDING))),
    (Kind.ROSTER, Settle(ID[0])),
    (Kind.ROOM, OpenRoom("plenary", "Plenary")),
    (Kind.SAY, Say("message", "Selam!", "ti", ID[0])),
    (Kind.SAY, Say("message", "")),
    (Kind.MARK, Accept(ID[0])),
    (Kind.MARK, Alarm(ID[0], ID[1])),
]


@pytest.mark.parametrize(("kind", "body"), WRITTEN, ids=lambda thing: type(thing).__name__)
def test_what_is_written_is_read_back_the_same(kind, body):
    data = body.encode()
    assert read_body(1, kind, data) == body
    assert read_body(2, kind, data) is Opaque.UNREAD
    assert read_body(1, kind, None) is Opaque.ERASED
    assert read_body(1, kind, data + b"\x00") is Opaque.MALFORMED
    assert read_body(1, kind, data[:-1]) is Opaque.MALFORMED


@pytest.mark.parametrize("kind", [Kind.LIAISE, 13, 60_000])
def test_kinds_of_other_parts_and_versions_are_not_read(kind):
    assert read_body(1, kind, b"anything") is Opaque.UNREAD


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.ROSTER, [10, "something new"]),
        (Kind.ROOM, [2]),
        (Kind.ROOM, [1, "corridor", "Between us"]),
        (Kind.SAY, ["poem", "Once", "", None]),
        (Kind.MARK, [4]),
    ],
)
def test_an_unknown_op_or_form_is_not_read_and_no_error(kind, value):
    assert read_body(1, kind, encode(value)) is Opaque.UNREAD


@pytest.mark.parametrize("read", [decode_roster, decode_room, decode_mark])
@pytest.mark.parametrize("value", [[], 5, [0], ["op"], [1], {}, [1, 2, 3, 4, 5, 6, 7, 8]])
def test_what_is_no_body_is_refused(read, value):
    with pytest.raises(RemoteError):
        read(encode(value))


def test_nothing_that_was_said_is_in_a_repr():
    for _, body in WRITTEN:
        assert not any(word in repr(body) for word in ("Selam!", "Visas", "Plenary", "ruth", "omar"))


# -- charter -----------------------------------------------------------------------------------------------------------


def test_the_dialogue_is_named_by_its_rules():
    body = CHARTER.encode()
    assert dialogue_id(body) != charter_hash(body)
    other = Charter("conversation", "Visas", RUTH, 31, FrameClass.SMALL, "since", "room", drawn("noise")).encode()
    assert dialogue_id(other) != dialogue_id(body)


@pytest.mark.parametrize("wrong", [[1], [31], [None], [2, 2]])
def test_a_quorum_is_said_in_one_way(wrong):
    """One facilitator is what is meant where nothing is said: else two charters would say the same."""
    fields = list(decode(CHARTER.encode(), LIMIT_CHARTER))
    with pytest.raises(RemoteError) as caught:
        Charter.decode(encode([*fields, *wrong]))
    assert caught.value.reason is RejectReason.SHAPE


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, "track-1"),
        (1, "x" * (LIMIT_TITLE + 1)),
        (2, []),
        (3, 0),
        (3, 366),
        (4, 4),
        (5, "all"),
        (6, "open"),
        (7, b"short"),
    ],
)
def test_rules_that_we_do_not_have_are_no_charter(place, wrong):
    fields = list(decode(CHARTER.encode(), LIMIT_CHARTER))
    fields[place] = wrong
    with pytest.raises(RemoteError) as caught:
        Charter.decode(encode(fields))
    assert caught.value.reason is RejectReason.SHAPE


def test_a_charter_has_a_size():
    with pytest.raises(RemoteError) as caught:
        Charter.decode(bytes(LIMIT_CHARTER + 1))
    assert caught.value.reason is RejectReason.SIZE


# -- newcomer ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, [bytes(32), bytes(32)]),  # a box key of low order
        (1, b"short"),
        (2, [prekey("a").to_value()] * 5),
        (2, [[bytes(32), bytes(1216), 30, 0]]),
        (3, "n" * 41),
        (4, b"neither"),
        (5, bytes(33)),
    ],
)
def test_a_newcomer_whose_keys_are_none_is_refused(place, wrong):
    fields = list(RUTH.to_value())
    fields[place] = wrong
    with pytest.raises(RemoteError):
        Newcomer.from_value(fields)


def test_a_founder_came_by_nothing():
    founder = Newcomer(RUTH.keys, RUTH.session, (), "Ruth", b"", b"")
    assert Newcomer.from_value(founder.to_value()) == founder


# -- roster ------------------------------------------------------------------------------------------------------------


def test_what_is_listed_is_listed_in_order_and_once():
    last = [[room, ID[1], 7, ID[2]] for room in ASCENDING]
    macs = [[persona, bytes(16)] for persona in ASCENDING]
    for rows, write in (
        (last, lambda rows: [3, ID[0], rows]),
        (macs, lambda rows: [4, ID[0], 1, 2, rows, ID[1]]),
        (ASCENDING, lambda rows: [6, ID[0], rows, ID[1], ID[2], 5]),
    ):
        assert decode_roster(encode(write(rows))) is not None
        for wrong in (rows[::-1], [rows[0], rows[0]]):
            with pytest.raises(RemoteError):
                decode_roster(encode(write(wrong)))


def test_a_session_does_not_end_before_it_starts():
    with pytest.raises(RemoteError):
        decode_roster(encode([4, ID[0], 20, 10, [], ID[1]]))


def test_lists_have_their_limits():
    last = [[drawn("room"), drawn("actor"), 1, drawn("event")]] * (LIMIT_LASTS + 1)
    macs = [[drawn(n), bytes(16)] for n in range(LIMIT_MACS + 1)]
    many = [RUTH.to_value()] * (LIMIT_NEWCOMERS + 1)
    for value in ([3, ID[0], last], [4, ID[0], 1, 2, macs, ID[1]], [1, many], [5, [prekey("a").to_value()] * 5]):
        with pytest.raises(RemoteError):
            decode_roster(encode(value))


# -- say ---------------------------------------------------------------------------------------------------------------


def test_a_text_is_measured_in_bytes():
    assert decode_say(Say("message", "x" * LIMIT_SAY_TEXT).encode()) is not None
    with pytest.raises(RemoteError) as caught:
        decode_say(Say("message", "ሰ" * 2731).encode())
    assert caught.value.reason is RejectReason.SIZE
    with pytest.raises(RemoteError):
        decode_say(Say("message", "x" * (LIMIT_SAY_TEXT + 1)).encode())


def test_a_text_is_kept_as_it_came():
    wild = "\x1b[2J\u202eevil"
    said = decode_say(Say("message", wild).encode())
    assert said is not None
    assert said.text == wild


@pytest.mark.parametrize(
    "value", [["message", "x", "", b"short"], ["message", "x", "l" * 36, None], ["message", 5, "", None]]
)
def test_a_say_is_strict(value):
    with pytest.raises(RemoteError):
        decode_say(encode(value))
