"""The bytes of corridors, against tests/vectors/corridor.json."""

import json
from pathlib import Path

import pytest

from tertulia.protocol.corridor import Agree, Begin, Decline, Said, Step, aside_context, corridor_keys, decode_aside
from tertulia.protocol.encoding import encode

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "corridor.json").read_text("utf-8"))
RUTH, OMAR = VECTORS["members"]["Ruth"], VECTORS["members"]["Omar"]


def raw(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name])


@pytest.mark.parametrize(("name", "kind"), [("step", Step), ("agree", Agree), ("decline", Decline), ("begin", Begin)])
def test_what_one_member_tells_another(name, kind):
    words = bytes.fromhex(VECTORS["asides"][name])
    told = decode_aside(words)
    assert isinstance(told, kind)
    assert (told.encode(), told.corridor) == (words, raw("corridor"))


def test_its_keys_and_its_context():
    keys, wanted = corridor_keys(raw("secret")), VECTORS["frame_keys"]
    assert (keys.tag.hex(), keys.aead.hex()) == (wanted["tag"], wanted["aead"])
    people = bytes.fromhex(RUTH["id"]), bytes.fromhex(OMAR["id"])
    assert aside_context(raw("dialogue"), *people, raw("key")).hex() == VECTORS["context"]


def test_who_spoke():
    ruth, omar = bytes.fromhex(RUTH["id"]), bytes.fromhex(OMAR["id"])
    start = 29_000_000
    for number, wanted in enumerate(VECTORS["said"], 1):
        said = Said(ruth, number, start + number, wanted["text"])
        assert encode(said.to_value()).hex() == wanted["words"]
        for secret, box in ((RUTH["box_secret"], OMAR["box"]), (OMAR["box_secret"], RUTH["box"])):
            mac = said.mac(raw("dialogue"), raw("corridor"), bytes.fromhex(secret), bytes.fromhex(box), omar)
            assert mac.hex() == wanted["mac"]
