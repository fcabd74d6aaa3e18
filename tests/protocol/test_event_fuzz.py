"""Hostile bytes in place of an event, a body or a checkpoint: refused, or read for what they are. Spec: events.md."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story import Story, drawn, prekey

from tertulia.protocol.body import Kind, Opaque, read_body
from tertulia.protocol.charter import Charter
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.event import from_value, to_item
from tertulia.protocol.fold import checkpoint_of, fold
from tertulia.protocol.mark import decode_mark
from tertulia.protocol.propose import decode_propose
from tertulia.protocol.revise import decode_revise
from tertulia.protocol.room import decode_room
from tertulia.protocol.roster import decode_roster
from tertulia.protocol.say import decode_say
from tertulia.protocol.stance import decode_stance

READERS = [
    *(Charter.decode, decode_roster, decode_room, decode_say, decode_mark),
    *(decode_revise, decode_propose, decode_stance),
]

plain = st.none() | st.booleans() | st.integers(-5, 2**40) | st.binary(max_size=40) | st.text(max_size=8)
ids = st.integers(0, 3).map(drawn)
values = st.recursive(plain | ids, lambda inner: st.lists(inner, max_size=8), max_leaves=24)


def story() -> Story:
    told = Story("ruth")
    told.seat("omar", "selam")
    told.announce("ruth", 1)
    told.introduce("omar")
    told.prekeys("selam", prekey("selam", 2))
    told.say("omar", "hello", room=told.plenary)
    told.remove("selam")
    told.alarm("omar", told.genesis.id, "ruth")
    return told


STORY = story()
EVENTS = sorted(STORY.events.values(), key=lambda event: event.order)


@given(values)
def test_any_value_in_place_of_an_event(value):
    with pytest.raises(RemoteError):
        from_value(value)


@given(values)
def test_any_value_in_place_of_a_body(value):
    for read in READERS:
        try:
            body = read(encode(value))
        except RemoteError:
            continue
        assert body is None or body.encode() == encode(value)


@given(st.binary(max_size=200), st.sampled_from(Kind))
def test_any_bytes_in_place_of_a_body(data, kind):
    body = read_body(1, kind, data)
    assert isinstance(body, Opaque) or body.encode() == data


@given(values)
def test_any_value_in_place_of_a_checkpoint(value):
    for wrong in (value, encode(value)):
        with pytest.raises(RemoteError):
            Checkpoint.from_value(wrong)


@pytest.mark.fuzz
def test_events_with_bytes_changed(fuzz_cases):
    chance = random.Random(7)
    for _ in range(fuzz_cases):
        value = list(to_item(chance.choice(EVENTS)).body)
        place = chance.randrange(4)
        value[place] = spoil(chance, value[place])
        with pytest.raises(RemoteError):
            from_value(value)


@pytest.mark.fuzz
def test_bodies_with_bytes_changed(fuzz_cases):
    chance = random.Random(8)
    for _ in range(fuzz_cases):
        event = chance.choice(EVENTS)
        data = spoil(chance, event.body)
        body = read_body(1, event.header.kind, data)
        assert isinstance(body, Opaque) or body.encode() == data


@pytest.mark.fuzz
def test_checkpoints_with_something_exchanged(fuzz_cases):
    """Where the reader takes it, the fold must too: whatever it says, there is a state."""
    chance = random.Random(9)
    good = checkpoint_of(STORY.state(), STORY.id("ruth")).to_value()
    later = STORY.say("omar", "after")
    taken = 0
    for _ in range(fuzz_cases // 4):
        value = decode(good, len(good))
        exchange(chance, value)
        try:
            checkpoint = Checkpoint.from_value(encode(value))
            state = fold(checkpoint, {later.id: later})
        except RemoteError:
            continue
        taken += 1
        assert Checkpoint.from_value(checkpoint_of(state, bytes(32)).to_value())
        state.cite(STORY.plenary, later.header.actor)
    assert taken


def spoil(chance: random.Random, data: bytes) -> bytes:
    """Change, cut or lengthen."""
    spoiled = bytearray(data)
    match chance.randrange(3):
        case 0:
            spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
        case 1:
            del spoiled[chance.randrange(len(spoiled)) :]
        case _:
            spoiled += chance.randbytes(1 + chance.randrange(4))
    return bytes(spoiled)


def exchange(chance: random.Random, value) -> None:
    """Put something else somewhere into a tree of lists."""
    while True:
        place = chance.randrange(len(value))
        inner = value[place]
        if isinstance(inner, list) and inner and chance.random() < 0.85:
            value = inner
            continue
        match inner:
            case int():
                value[place] = chance.choice([0, 1, inner + 1, max(0, inner - 1), 2**40])
            case bytes() if len(inner) == 32:
                value[place] = chance.choice([drawn(chance.random()), *STORY.events])
            case list() if inner:
                value[place] = chance.choice([inner[1:], inner[::-1], [*inner, inner[0]]])
            case _:
                value[place] = chance.choice([0, b"", "", [], None, inner])
        return
