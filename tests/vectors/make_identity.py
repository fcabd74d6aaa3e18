"""Make identity.json: known answers to docs/spec/identity.md.

Written from the spec's words, with the tools of make_keys.py beside it: nothing of Tertulia is imported. HPKE draws its
own randomness, so what it sealed is kept from the existing file while it still opens.

    python tests/vectors/make_identity.py
"""

import json
from pathlib import Path

from make_keys import (
    boxing,
    cbor,
    dh,
    frame_keys,
    h,
    hexed,
    hpke_public,
    hpke_seal,
    mac,
    persona,
    prekey,
    sign,
    signing,
    some,
)
from nacl.public import Box, PrivateKey, PublicKey

HERE = Path(__file__).parent


def identity(name):
    seed, secret, kem = some(f"{name} root"), some(f"{name} device box"), some(f"{name} device hpke", 96)
    signed = cbor([signing(seed), 1, [[boxing(secret), hpke_public(kem)]]])
    return {
        "seed": seed, "box_secret": secret, "hpke_seed": kem, "root": signing(seed), "signed": signed,
        "proof": sign(seed, b"t1 devices", signed), "digest": h(b"t1 devices hash", signed),
    }  # fmt: skip


def letter(old, mine, theirs, kem, name, context, words):
    nonce = some(f"{name} nonce", 24)
    inner = bytes(Box(PrivateKey(mine), PublicKey(boxing(theirs))).encrypt(context + words, nonce))
    sealed = hpke_seal(old.get(name, {}).get("sealed"), kem, context, inner)
    return {"context": context, "nonce": nonce, "words": words, "plaintext": inner, "sealed": sealed}


def answers(old):
    dialogue = some("dialogue")
    ruth, omar = (persona(name, dialogue) for name in ("ruth", "omar"))
    hers, his = identity("ruth"), identity("omar")
    mine = prekey("omar", 29_700_000, 30)
    covered = cbor([dialogue, ruth["id"], omar["id"], hers["root"], hers["digest"]])
    proof = mac(b"t1 reveal mac", dh(hers["box_secret"], omar["box"]), covered)
    words = cbor([[hers["signed"], hers["proof"]], 0, proof])
    context = cbor([b"t1 reveal", dialogue, ruth["id"], omar["id"], mine["id"]])
    low, high = sorted([hers["digest"], his["digest"]])
    digits = f"{int.from_bytes(h(b't1 safety number', low + high), 'big') % 10**60:060}"
    text = json.loads((HERE / "invite.json").read_text("utf-8"))["invites"][1]["text"]
    way = cbor([b"t1 offer", hers["root"], his["root"], boxing(his["box_secret"])])
    offered = cbor([text, "Fährfahrt für alle", 29_700_100])
    return {
        "dialogue": dialogue,
        "personas": [ruth, omar],
        "prekey": mine,
        "identities": [hers, his],
        "reveal": letter(old, ruth["box_secret"], mine["box_secret"], mine["hpke_seed"], "reveal", context, words),
        "safety_number": " ".join(digits[at : at + 5] for at in range(0, 60, 5)),
        "contact": frame_keys(b"t1 contact frame", dh(hers["box_secret"], boxing(his["box_secret"]))),
        "invite": text,
        "offer": letter(old, hers["box_secret"], his["box_secret"], his["hpke_seed"], "offer", way, offered),
    }


if __name__ == "__main__":
    path = HERE / "identity.json"
    before = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps(hexed(answers(before)), indent=1, ensure_ascii=False) + "\n", "utf-8")
