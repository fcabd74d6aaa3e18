"""Make corridor.json: known answers to docs/spec/corridor.md. Nothing of Tertulia is imported; see make_keys.py.

    python tests/vectors/make_corridor.py
"""

import json
from pathlib import Path

from make_keys import boxing, cbor, dh, frame_keys, hpke_public, mac, persona, some

MINUTE = 29_000_000


def main():
    dialogue, corridor, secret = some("dialogue"), some("corridor"), some("secret")
    ruth, omar = persona("Ruth", dialogue), persona("Omar", dialogue)
    key = [boxing(some("once box")), hpke_public(some("once hpke", 96)), 1, MINUTE]
    members = sorted((ruth["id"], omar["id"]))
    shared = dh(ruth["box_secret"], omar["box"])
    said = []
    for number, text in ((1, "Not for the room."), (2, None)):
        words = [ruth["id"], number, MINUTE + number, text]
        tag = mac(b"t1 corridor mac", shared, cbor([dialogue, corridor, omar["id"], *words]), 16)
        said.append({"text": text, "words": cbor(words), "mac": tag})
    answers = {
        "dialogue": dialogue,
        "corridor": corridor,
        "secret": secret,
        "members": {"Ruth": ruth, "Omar": omar},
        "asides": {
            "step": cbor([1, corridor, members, MINUTE + 30, key]),
            "agree": cbor([2, corridor, key]),
            "decline": cbor([3, corridor]),
            "begin": cbor([4, corridor, secret]),
        },
        "context": cbor([b"t1 corridor", dialogue, ruth["id"], omar["id"], some("key")]),
        "key": some("key"),
        "frame_keys": frame_keys(b"t1 corridor f", secret),
        "said": said,
    }
    text = json.dumps(hexed(answers), indent=1, ensure_ascii=False) + "\n"
    Path(__file__).with_name("corridor.json").write_text(text, "utf-8")


def hexed(value):
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: hexed(one) for name, one in value.items()}
        case list():
            return [hexed(one) for one in value]
    return value


if __name__ == "__main__":
    main()
