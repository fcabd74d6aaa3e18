"""Make resource.json: known answers to docs/spec/resource.md.

Written from the spec's words with PyNaCl's bindings and the tools of make_keys.py: nothing of Tertulia is imported.

    python tests/vectors/make_resource.py
"""

import json
from pathlib import Path

from make_keys import cbor, h, hexed, mac, some
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as seal

CHUNK = 128 * 1024


def answers():
    key, data = some("resource key"), some("resource", CHUNK + 1000)
    pieces = [data[:CHUNK], data[CHUNK:]]
    chunks = [seal(piece, b"", place.to_bytes(24, "big"), key) for place, piece in enumerate(pieces)]
    hashes = [h(b"t1 resource part", chunk) for chunk in chunks]
    place = mac(b"t1 resource at", key, b"".join(hashes), 16)
    asker, asked = "12D3KooWAsker", "12D3KooWAsked"
    return {
        "data_from": "resource",
        "key": key,
        "last_chunk": chunks[1],
        "body": cbor(["Visa table.pdf", "application/pdf", len(data), key, hashes]),
        "stored_as": place,
        "asker": asker,
        "asked": asked,
        "tag": mac(b"t1 resource ask", key, cbor([asker.encode(), asked.encode(), place])),
        "request": cbor([mac(b"t1 resource ask", key, cbor([asker.encode(), asked.encode(), place])), 3, 16]),
    }


if __name__ == "__main__":
    path = Path(__file__).parent / "resource.json"
    path.write_text(json.dumps(hexed(answers()), indent=1, ensure_ascii=False) + "\n", "utf-8")
