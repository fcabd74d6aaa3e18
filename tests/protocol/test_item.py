"""Items in frames, and the parts of those too large for one."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol import frame, item
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import LocalError, RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.item import (
    LIMIT_ASSEMBLIES,
    LIMIT_ASSEMBLY_BYTES,
    LIMIT_ASSEMBLY_IDLE,
    LIMIT_ITEMS,
    LIMIT_PARTS,
    Assembly,
    Item,
    ItemType,
    pack,
    split,
)
from tertulia.protocol.labels import Label

KEYS = frame.frame_keys(Label.EPOCH_FRAME, b"e" * 32)


def large(size=3000, seed=0):
    return Item(ItemType.CHECKPOINT, bytes([seed]) + bytes(n * 7 % 251 for n in range(size - 1)))


def through_frames(items, frame_class):
    """Seal what `pack` gives and open it again."""
    opened = []
    for batch in pack(items, frame_class):
        opened += frame.open(KEYS, frame.seal(b"c" * 32, KEYS, frame_class, 10, bytes(24), batch))
    return opened


def put_together(pieces, assembly=None, now=0):
    assembly, whole = assembly or Assembly(), []
    for piece in pieces:
        if piece.type == ItemType.PART:
            assembly, done = assembly.add(piece, now)
            whole += [done] if done else []
        else:
            whole.append(piece)
    return assembly, whole


def altered(part, **fields):
    body = dict(zip(("name", "k", "count", "piece"), part.body, strict=True))
    return Item(ItemType.PART, list((body | fields).values()))


def reason(part, assembly=None):
    with pytest.raises(RemoteError) as wrong:
        (assembly or Assembly()).add(part, 0)
    return wrong.value.reason


# ---------------------------------------------------------------------------------------------------------------------
# Whole items


def test_an_unknown_type_survives():
    strange = Item(4711, {"what": [None, b"ever"]})
    assert item.from_value([4711, {"what": [None, b"ever"]}]) == strange
    assert strange.encoded() == encode([4711, {"what": [None, b"ever"]}])
    assert through_frames([strange], FrameClass.SMALL) == [strange]


@pytest.mark.parametrize("value", [None, [], [1], [1, 2, 3], ["1", 2], [-1, 2], [2**16, 2], [True, 2], {1: 2}])
def test_what_is_no_item_is_refused(value):
    with pytest.raises(RemoteError) as wrong:
        item.from_value(value)
    assert wrong.value.reason is RejectReason.SHAPE


# ---------------------------------------------------------------------------------------------------------------------
# Splitting and packing


@pytest.mark.parametrize("frame_class", FrameClass)
def test_an_item_is_split_only_when_it_must_be(frame_class):
    fits = Item(1, bytes(frame_class.capacity - 2 - len(encode([1, bytes(256)])) + 256))
    assert split(fits, frame_class) == (fits,)
    assert len(split(Item(1, fits.body + b"\0"), frame_class)) == 2


@pytest.mark.parametrize("frame_class", FrameClass)
@pytest.mark.parametrize("share", [1.1, 2.5, 5, 15, 16, 27])
def test_every_part_fits_and_the_whole_comes_back(frame_class, share):
    whole = large(int(frame_class.capacity * share))
    parts = split(whole, frame_class)
    assert 1 < len(parts) <= LIMIT_PARTS
    assert all(len(encode([[part.type, part.body]])) <= frame_class.capacity for part in parts)
    assert put_together(through_frames([whole], frame_class)) == (Assembly({}), [whole])


def test_32_parts_are_the_most():
    sizes = itertools.takewhile(
        lambda size: len(split(large(size), FrameClass.SMALL)) < LIMIT_PARTS, itertools.count(22000, 100)
    )
    most = max(sizes) + 100
    assert put_together(split(large(most), FrameClass.SMALL))[1] == [large(most)]
    with pytest.raises(LocalError, match="too large"):
        split(large(most + 1000), FrameClass.SMALL)
    with pytest.raises(LocalError, match="too large"):
        pack([large(most + 1000)], FrameClass.SMALL)
    assert len(split(large(most + 1000), FrameClass.MEDIUM)) < LIMIT_PARTS


def test_the_largest_item_fits_large_frames():
    whole = large(item.LIMIT_ITEM_BYTES - len(encode([7, bytes(70_000)])) + 70_000)
    assert len(whole.encoded()) == item.LIMIT_ITEM_BYTES
    assert put_together(through_frames([whole], FrameClass.LARGE)) == (Assembly({}), [whole])


def test_pack_keeps_the_order_and_fills_frames():
    small, medium, huge = Item(1, bytes(100)), Item(2, bytes(600)), large(2000)
    batches = pack([small, small, medium, small, huge, small], FrameClass.SMALL)
    assert [[entry.type for entry in batch] for batch in batches] == [[1, 1, 2, 1], [8], [8], [8, 1]]
    assert put_together(itertools.chain(*batches))[1] == [small, small, medium, small, huge, small]
    assert pack([], FrameClass.SMALL) == ()


def test_pack_minds_the_number_of_items():
    batches = pack([Item(1, 0)] * (LIMIT_ITEMS + 1), FrameClass.LARGE)
    assert [len(batch) for batch in batches] == [LIMIT_ITEMS, 1]


@given(st.lists(st.integers(0, 4000), max_size=12), st.sampled_from(FrameClass))
def test_whatever_is_packed_fits_and_comes_back(sizes, frame_class):
    items = [large(size + 1, number) for number, size in enumerate(sizes)]
    assert put_together(through_frames(items, frame_class))[1] == items


# ---------------------------------------------------------------------------------------------------------------------
# Assembling


@given(st.permutations(range(7)))
def test_parts_may_come_in_any_order_and_more_than_once(order):
    parts = split(large(5000), FrameClass.SMALL)
    assert len(parts) == 7
    assembly = Assembly()
    for position, number in enumerate(order, 1):
        assembly, whole = assembly.add(parts[number], position)
        assert (whole == large(5000)) is (position == 7)
        if position < 7:
            assert assembly.add(parts[number], 99) == (assembly, None)
    assert not assembly.incomplete


def test_an_assembly_is_a_value():
    first, second = split(large(1000), FrameClass.SMALL)
    empty = Assembly()
    begun, _ = empty.add(first, 0)
    done, whole = begun.add(second, 0)
    assert whole == large(1000)
    assert not empty.incomplete
    assert len(begun.incomplete) == 1
    assert not done.incomplete
    assert "incomplete" not in repr(next(iter(begun.incomplete.values()))).replace("_Incomplete", "")


def test_two_items_do_not_meet():
    one, two = split(large(1000, 1), FrameClass.SMALL), split(large(1000, 2), FrameClass.SMALL)
    _, whole = put_together([one[0], two[0], two[1], one[1]])
    assert whole == [large(1000, 2), large(1000, 1)]


@pytest.mark.parametrize("size", [1000, 2000, 3000, 5000, 9000, 22000])
def test_a_spoiled_part_is_refused_and_changes_nothing(size):
    """Whoever has seen a part knows the item's id, and still cannot add a byte of their own to it."""
    parts = split(large(size), FrameClass.SMALL)
    _name, _k, count, body = parts[0].body
    for at in range(0, len(body), 13):
        spoiled = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert reason(altered(parts[0], piece=spoiled)) is RejectReason.PART
    assert reason(altered(parts[0], piece=body[:-1])) is RejectReason.PART
    assert reason(altered(parts[0], piece=body + b"\0")) is RejectReason.PART
    assert reason(altered(parts[0], k=1)) is RejectReason.PART
    assert reason(altered(parts[0], name=bytes(32))) is RejectReason.PART
    for other in set(range(2, LIMIT_PARTS + 1)) - {count}:
        assert reason(altered(parts[0], count=other)) is RejectReason.PART
    assert put_together(parts)[1] == [large(size)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": bytes(31)}, RejectReason.SHAPE),
        ({"name": 1}, RejectReason.SHAPE),
        ({"k": -1}, RejectReason.SHAPE),
        ({"k": LIMIT_PARTS}, RejectReason.SHAPE),
        ({"k": 2}, RejectReason.PART),
        ({"count": 0}, RejectReason.SHAPE),
        ({"count": 1}, RejectReason.SHAPE),
        ({"count": LIMIT_PARTS + 1}, RejectReason.SHAPE),
        ({"piece": "text"}, RejectReason.SHAPE),
        ({"piece": bytes(16 * 1024 + 1)}, RejectReason.SHAPE),
        ({"piece": b""}, RejectReason.PART),
        ({"piece": bytes(16)}, RejectReason.PART),
    ],
)
def test_what_is_no_part_is_refused(fields, expected):
    assert reason(altered(split(large(1000), FrameClass.SMALL)[0], **fields)) is expected


@pytest.mark.parametrize("body", [None, [], [bytes(32), 0, 2], [bytes(32), 0, 2, b"", 0]])
def test_a_body_of_another_shape_is_refused(body):
    assert reason(Item(ItemType.PART, body)) is RejectReason.SHAPE


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"\xff" * 40, RejectReason.ENCODING), (encode([1, 2, bytes(30)]), RejectReason.SHAPE)],
)
def test_parts_of_what_is_no_item(content, expected):
    parts = item._parts((content[:20], content[20:]))
    begun, _ = Assembly().add(parts[0], 0)
    assert reason(parts[1], begun) is expected
    assert not begun.without(parts[0].body[0]).incomplete


# ---------------------------------------------------------------------------------------------------------------------
# Bounds


def first_part(seed, size=1000, frame_class=FrameClass.SMALL):
    return split(large(size, seed), frame_class)[0]


def test_the_number_is_bounded_and_the_longest_idle_goes():
    assembly = Assembly()
    for seed in range(LIMIT_ASSEMBLIES):
        assembly, _ = assembly.add(first_part(seed), seed)
    assert len(assembly.incomplete) == LIMIT_ASSEMBLIES
    assembly, _ = assembly.add(first_part(100), 100)
    names = set(assembly.incomplete)
    assert len(names) == LIMIT_ASSEMBLIES
    assert first_part(0).body[0] not in names
    assert first_part(1).body[0] in names
    assert first_part(100).body[0] in names


def test_the_bytes_are_bounded():
    assembly, size = Assembly(), 480_000
    for seed in range(12):
        for part in split(large(size, seed), FrameClass.LARGE)[:-1]:
            assembly, _ = assembly.add(part, seed)
    kept = sum(entry.size for entry in assembly.incomplete.values())
    assert LIMIT_ASSEMBLY_BYTES - size < kept <= LIMIT_ASSEMBLY_BYTES
    last = split(large(size, 11), FrameClass.LARGE)[-1]
    assert assembly.add(last, 12)[1] == large(size, 11)


def test_what_is_idle_too_long_goes():
    parts = split(large(3000), FrameClass.SMALL)
    begun, _ = Assembly().add(parts[0], 0)
    kept, _ = begun.add(first_part(9), LIMIT_ASSEMBLY_IDLE - 1)
    assert len(kept.incomplete) == 2
    gone, _ = begun.add(first_part(9), LIMIT_ASSEMBLY_IDLE)
    assert set(gone.incomplete) == {first_part(9).body[0]}
    touched, _ = begun.add(parts[1], LIMIT_ASSEMBLY_IDLE - 1)
    kept, _ = touched.add(first_part(9), LIMIT_ASSEMBLY_IDLE)
    assert len(kept.incomplete) == 2
