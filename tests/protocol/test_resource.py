"""Resources: known answers, hostile bodies and requests, and what stands in a dialogue. Spec: docs/spec/resource.md."""

import json
from dataclasses import replace
from hashlib import shake_256
from pathlib import Path

import pytest
from village import DAY, Refused, Village

from tertulia.protocol import views_resources
from tertulia.protocol.body import Kind, Opaque, read_body
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import LocalError, RejectReason, RemoteError
from tertulia.protocol.inputs import LeaveDialogue, Utter
from tertulia.protocol.resource import (
    CHUNK,
    LIMIT_CHUNKS,
    LIMIT_RESOURCE,
    AskChunks,
    Resource,
    chunk_hash,
    decode_resource,
    seal_chunks,
)
from tertulia.protocol.views_resources import file_name

KNOWN = json.loads((Path(__file__).parents[1] / "vectors" / "resource.json").read_text("utf-8"))
DATA = shake_256(KNOWN["data_from"].encode()).digest(CHUNK + 1000)
KEY = bytes.fromhex(KNOWN["key"])


def of(data: bytes, name: str = "Visa table.pdf", key: bytes = KEY) -> Resource:
    hashes = tuple(chunk_hash(one) for one in seal_chunks(data, key))
    return Resource(name, "application/pdf", len(data), key, hashes)


def test_known_answers():
    made, chunks = of(DATA), list(seal_chunks(DATA, KEY))
    assert made.encode().hex() == KNOWN["body"]
    assert decode_resource(made.encode()) == made
    assert chunks[1].hex() == KNOWN["last_chunk"]
    assert [made.length(index) for index in (0, 1)] == [len(chunk) for chunk in chunks]
    assert b"".join(made.open(index, chunk) or b"" for index, chunk in enumerate(chunks)) == DATA
    assert made.stored_as.hex() == KNOWN["stored_as"]
    tag = made.tag(KNOWN["asker"].encode(), KNOWN["asked"].encode())
    assert tag.hex() == KNOWN["tag"]
    assert AskChunks(tag, 3, 16).encode().hex() == KNOWN["request"]
    assert AskChunks.decode(bytes.fromhex(KNOWN["request"])) == AskChunks(tag, 3, 16)
    assert "key" not in repr(made)


def test_a_chunk_is_the_one_that_the_event_names_or_none():
    made, chunks = of(DATA), list(seal_chunks(DATA, KEY))
    assert made.is_chunk(0, chunks[0])
    assert not made.is_chunk(0, chunks[1])
    assert not made.is_chunk(2, chunks[1])
    assert made.open(0, chunks[1]) is None
    assert made.stored_as != replace(made, chunks=made.chunks[::-1]).stored_as  # one key used twice keeps two files


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (["n", "m", 1, KEY, []], RejectReason.SHAPE),
        (["n", "m", CHUNK, KEY, [KEY, KEY]], RejectReason.SHAPE),
        (["n", "m", 0, KEY, []], RejectReason.SHAPE),
        (["n", "m", LIMIT_RESOURCE + 1, KEY, [KEY] * LIMIT_CHUNKS], RejectReason.SHAPE),
        (["n", "m", LIMIT_RESOURCE, KEY, [KEY] * (LIMIT_CHUNKS + 40)], RejectReason.SIZE),
        (["n" * 121, "m", 1, KEY, [KEY]], RejectReason.SHAPE),
        (["n", "m", 1, KEY[1:], [KEY]], RejectReason.SHAPE),
        (["n", "m", 1, KEY], RejectReason.SHAPE),
    ],
)
def test_a_body_that_is_none_is_refused_and_kept_as_malformed(fields, reason):
    with pytest.raises(RemoteError) as refused:
        decode_resource(encode(fields))
    assert refused.value.reason is reason
    assert read_body(1, Kind.RESOURCE, encode(fields)) is Opaque.MALFORMED


def test_the_largest_file_fits_an_event():
    largest = Resource("n" * 120, "m" * 100, LIMIT_RESOURCE, KEY, (KEY,) * LIMIT_CHUNKS)
    assert decode_resource(largest.encode()) == largest


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([KEY, LIMIT_CHUNKS - 1, 2], RejectReason.LIMIT),
        ([KEY, 0, 17], RejectReason.SHAPE),
        ([KEY, 0, 0], RejectReason.SHAPE),
        ([KEY, -1, 1], RejectReason.SHAPE),
        ([KEY * 4, 0, 1], RejectReason.SIZE),
    ],
)
def test_a_request_for_more_than_there_can_be_is_refused(fields, reason):
    with pytest.raises(RemoteError) as refused:
        AskChunks.decode(encode(fields))
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("table.pdf", "table.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\a\\b.txt", "C__a_b.txt"),
        ("..", "file"),
        (".bashrc", "bashrc"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\nb\x1b[2J", "a_b[2J"),
        ("", "file"),
    ],
)
def test_no_peer_chooses_a_path(said, kept):
    assert file_name(said) == kept


def test_what_stands_in_a_dialogue_can_be_found_and_served_until_its_time_is_over():
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    ruth.ask(Utter(key, of(DATA)))
    ruth.ask(Utter(key, of(DATA[:5], "../x")))
    ruth.say(key, "There are two files.")
    village.settle()
    rows = views_resources.resources(omar.core, key)
    assert [(row["name"], row["size"], row["author"]) for row in rows] == [
        ("Visa table.pdf", CHUNK + 1000, "Ruth"), ("_x", 5, "Ruth"),
    ]  # fmt: skip
    event, found = views_resources.resolve_resource(omar.core, key, "Visa table.pdf")
    assert views_resources.resolve_resource(omar.core, key, event.hex()[:8]) == (event, found)
    for wrong in ("x", ""):
        with pytest.raises(LocalError, match="no resource"):
            views_resources.resolve_resource(omar.core, key, wrong)
    assert found == of(DATA)
    assert set(views_resources.servable(omar.core, village.commons.id)) == {found, of(DATA[:5], "../x")}
    assert not omar.core.dialogues[key].matters.noops
    with pytest.raises(Refused, match="too long"):
        ruth.ask(Utter(key, replace(found, size=1)))
    omar.ask(LeaveDialogue(key))
    assert not list(views_resources.servable(omar.core, village.commons.id))
    village.wait(29 * DAY)
    assert len(list(views_resources.servable(ruth.core, village.commons.id))) == 2
    village.wait(2 * DAY)
    assert not list(views_resources.servable(ruth.core, village.commons.id))
    assert views_resources.resources(ruth.core, key) == ()
