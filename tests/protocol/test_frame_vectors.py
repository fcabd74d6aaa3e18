"""Known answers of docs/spec/README.md and docs/spec/frame.md, made by tests/vectors/make_frame.py on its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tertulia.protocol import commons, frame, item
from tertulia.protocol.commons import Commons
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass, FrameKeys, Window
from tertulia.protocol.item import Assembly, ItemType
from tertulia.protocol.labels import Label

HERE = Path(__file__).parents[1] / "vectors"
VECTORS = json.loads((HERE / "frame.json").read_text())
FRAME = VECTORS["frame"]
MINUTE = FRAME["minute"]
COMMONS = bytes.fromhex(FRAME["commons_key"])
KEYS = FrameKeys(bytes.fromhex(FRAME["tag_key"]), bytes.fromhex(FRAME["aead_key"]))
ITEMS = tuple(item.from_value(value) for value in decode(bytes.fromhex(FRAME["items"]), 1000))


def test_the_file_is_what_its_script_makes(tmp_path):
    script = tmp_path / "make_frame.py"
    script.write_bytes((HERE / "make_frame.py").read_bytes())
    subprocess.run([sys.executable, script], check=True)
    assert (tmp_path / "frame.json").read_text() == (HERE / "frame.json").read_text()


@pytest.mark.parametrize("encoded", VECTORS["encoding"]["accepted"])
def test_encodings(encoded):
    assert encode(decode(bytes.fromhex(encoded), 100)).hex() == encoded


@pytest.mark.parametrize("encoded", VECTORS["encoding"]["refused"])
def test_refused_encodings(encoded):
    with pytest.raises(RemoteError) as wrong:
        decode(bytes.fromhex(encoded), 100)
    assert wrong.value.reason is RejectReason.ENCODING


def test_frame_keys():
    assert frame.frame_keys(Label(FRAME["label"].encode()), bytes.fromhex(FRAME["secret"])) == KEYS


@pytest.mark.parametrize("vector", FRAME["frames"], ids=lambda vector: f"class-{vector['class']}")
def test_frames(vector):
    made = frame.seal(COMMONS, KEYS, FrameClass(vector["class"]), MINUTE, bytes.fromhex(vector["nonce"]), ITEMS)
    assert made.tag.hex() == vector["tag"]
    assert made.raw[-16:].hex() == vector["mac"]
    assert made.id.hex() == vector["id"]
    if vector["raw"]:
        assert made.raw.hex() == vector["raw"]
    assert frame.open(KEYS, frame.check(made.raw, COMMONS, Window(MINUTE, MINUTE))) == ITEMS


@pytest.mark.parametrize("vector", FRAME["refused"], ids=lambda vector: vector["what"].replace(" ", "-"))
def test_refused_frames(vector):
    with pytest.raises(RemoteError) as wrong:
        frame.open(KEYS, frame.check(bytes.fromhex(vector["raw"]), COMMONS, Window(MINUTE - 9, MINUTE + 9)))
    assert wrong.value.reason == vector["expect"]


def test_parts():
    vector = VECTORS["parts"]
    whole = item.from_value(decode(bytes.fromhex(vector["item"]), 3000))
    parts = item.split(whole, FrameClass.SMALL)
    assert [part.encoded().hex() for part in parts] == vector["parts"]
    assert {(part.type, part.body[0].hex()) for part in parts} == {(ItemType.PART, vector["id"])}
    assembly, done = Assembly(), None
    for part in parts:
        assembly, done = assembly.add(part, 0)
    assert done == whole


def test_commons_id_and_topics():
    vector = VECTORS["commons"]
    here = Commons(bytes.fromhex(vector["key"]), vector["generation"], "")
    assert here.id.hex() == vector["id"]
    assert [commons.topic(here, shard) for shard in (0, 1)] == vector["topics"]


def test_hello():
    vector = {name: bytes.fromhex(text) for name, text in VECTORS["hello"].items()}
    key, ana, ben = (vector[name] for name in ("commons_key", "initiator", "responder"))
    opened, answer, done = (
        commons.read_open(vector["open"]),
        commons.read_answer(vector["answer"]),
        commons.read_done(vector["done"]),
    )
    assert commons.answer_hello(key, ben, ana, opened, answer.nonce, answer.clock).encoded() == vector["answer"]
    assert commons.finish_hello(key, ana, ben, opened, answer, done.clock).encoded() == vector["done"]
    commons.check_hello(key, ben, ana, opened, answer, done)
