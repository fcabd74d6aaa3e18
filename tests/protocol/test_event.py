"""Events on the wire: what is taken, what is refused and why. Spec: docs/spec/events.md, Header and Event."""

from dataclasses import replace

import pytest
from story import Story, drawn

from tertulia.protocol import event as events_of
from tertulia.protocol.body import Opaque
from tertulia.protocol.crypto import sign
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import CONTROL, LIMIT_BODY, Event, Kind, from_value, make, to_item
from tertulia.protocol.item import ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.say import Say

SEED = drawn("seed")
SALT = drawn("salt", size=16)
WORDS = Say("message", "We meet on Tuesday.").encode()


def said(**odd) -> Event:
    fields = {
        "dialogue": drawn("dialogue"),
        "room": drawn("room"),
        "kind": Kind.SAY,
        "seq": 1,
        "parents": (drawn(1), drawn(2)),
        "control": (drawn(3),),
        "lamport": 7,
        "tick": 29_000_000,
        "session_seed": SEED,
        "salt": SALT,
        "body": WORDS,
        **odd,
    }
    return make(**fields)


def value_of(event: Event) -> list[Value]:
    return list(to_item(event).body)


def resigned(header: list[Value], body: bytes = WORDS, seed: bytes = SEED) -> list[Value]:
    """An event whose header holds just these values, with a proof that verifies."""
    raw = encode(header)
    name = events_of._event_id(raw)
    return [raw, SALT, body, sign(seed, Label.EVENT_PROOF, name)]


def header_of(event: Event) -> list[Value]:
    return list(decode(event.raw, 2048))


def refused(value: Value) -> RejectReason:
    with pytest.raises(RemoteError) as caught:
        from_value(value)
    return caught.value.reason


def test_what_is_made_is_read_back_the_same():
    event = said()
    item = to_item(event)
    assert item.type == ItemType.EVENT
    again = from_value(item.body)
    assert again == event
    assert (again.header, again.body, again.salt, again.proof) == (event.header, event.body, event.salt, event.proof)
    assert again.content == Say("message", "We meet on Tuesday.")
    assert again.order == (7, event.id)
    assert list(event.header.parents) == sorted([drawn(1), drawn(2)])


def test_nothing_that_was_said_is_in_the_repr():
    assert "Tuesday" not in repr(said())


def test_another_salt_is_another_event():
    assert said().id != said(salt=drawn("other", size=16)).id


def test_every_bit_counts():
    value = value_of(said())
    for place in range(4):
        data = bytearray(value[place])
        for bit in range(0, 8 * len(data), 7):
            data[bit // 8] ^= 1 << (bit % 8)
            changed = [*value]
            changed[place] = bytes(data)
            with pytest.raises(RemoteError):
                from_value(changed)
            data[bit // 8] ^= 1 << (bit % 8)


def test_the_body_must_be_the_one_named():
    event = said()
    assert refused([event.raw, event.salt, Say("message", "On Friday.").encode(), event.proof]) == RejectReason.ID
    assert refused([event.raw, drawn("salt 2", size=16), WORDS, event.proof]) == RejectReason.ID


def test_the_proof_must_be_the_actors():
    event = said()
    other = sign(drawn("somebody else"), Label.EVENT_PROOF, event.id)
    assert refused([event.raw, event.salt, WORDS, other]) == RejectReason.PROOF
    assert refused([event.raw, event.salt, WORDS, sign(SEED, Label.KNOCK_SESSION, event.id)]) == RejectReason.PROOF


@pytest.mark.parametrize(
    "value",
    [None, 1, [], [b""] * 3, [b""] * 5, [1, SALT, WORDS, bytes(64)], [b"", b"x", WORDS, bytes(64)]],
)
def test_what_is_no_event_is_refused(value):
    assert refused(value) in {RejectReason.SHAPE, RejectReason.ENCODING}


def test_sizes_are_looked_at_first():
    event = said()
    assert refused([event.raw, SALT, bytes(LIMIT_BODY + 1), event.proof]) == RejectReason.SHAPE
    assert refused([bytes(1025), SALT, WORDS, event.proof]) == RejectReason.SHAPE


def test_from_a_peer_an_event_comes_whole():
    event = said()
    erased = [event.raw, event.salt, None, event.proof]
    assert refused(erased) == RejectReason.SHAPE
    kept = from_value(erased, erasable=True)
    assert kept == event
    assert kept.content is Opaque.ERASED
    assert to_item(event.erased()).body == erased


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (1, b"short"),
        (2, "room"),
        (3, 0),
        (3, 2**16),
        (4, 0),
        (4, 2**32),
        (5, [drawn(2), drawn(1)] if drawn(2) > drawn(1) else [drawn(1), drawn(2)]),
        (5, [drawn(1), drawn(1)]),
        (5, sorted(drawn("p", n) for n in range(5))),
        (6, sorted(drawn("c", n) for n in range(9))),
        (7, 0),
        (7, 2**53),
        (8, -1),
        (8, 2**32),
        (9, b""),
        (10, b"hash"),
    ],
)
def test_each_field_has_its_bounds(place, wrong):
    header = header_of(said())
    header[place] = wrong
    assert refused(resigned(header)) == RejectReason.SHAPE


def test_a_header_has_eleven_fields():
    header = header_of(said())
    assert refused(resigned(header[:10])) == RejectReason.SHAPE
    assert refused(resigned([*header, 0])) == RejectReason.SHAPE
    assert refused(resigned([])) == RejectReason.SHAPE
    assert refused(resigned([0, *header[1:]])) == RejectReason.VERSION


def test_a_later_version_is_read_and_kept_with_all_its_fields():
    header = [2, *header_of(said())[1:], "something new", 5]
    event = from_value(resigned(header))
    assert event.header.version == 2
    assert event.content is Opaque.UNREAD
    assert value_of(event) == resigned(header)
    assert from_value(value_of(event)) == event
    assert refused(resigned([*header, *range(30)])) == RejectReason.SHAPE


def test_an_unknown_kind_is_read_and_kept():
    header = header_of(said())
    header[3] = 77
    assert from_value(resigned(header)).content is Opaque.UNREAD


def test_control_events_have_parents_only_and_only_the_charter_has_none():
    story = Story()
    assert from_value(to_item(story.genesis).body) == story.genesis
    header = header_of(said())
    header[2] = CONTROL
    assert refused(resigned(header)) == RejectReason.SHAPE
    header[6] = []
    assert from_value(resigned(header)).header.room == CONTROL
    header[5] = []
    assert refused(resigned(header)) == RejectReason.SHAPE


def test_room_events_name_control_heads_and_may_be_the_first():
    header = header_of(said())
    header[5] = []
    assert from_value(resigned(header)).header.parents == ()
    header[6] = []
    assert refused(resigned(header)) == RejectReason.SHAPE


@pytest.mark.parametrize(
    "odd",
    [
        {"seq": 0},
        {"lamport": 2**53},
        {"control": ()},
        {"salt": b"short"},
        {"body": bytes(LIMIT_BODY + 1)},
        {"parents": tuple(drawn(n) for n in range(5))},
    ],
)
def test_our_own_client_cannot_sign_what_nobody_would_take(odd):
    with pytest.raises(ValueError, match="nobody would take"):
        said(**odd)


def test_a_repeated_proof_is_the_same_event():
    event = said()
    assert replace(event.header) == event.header
    assert len({event, from_value(value_of(event))}) == 1
