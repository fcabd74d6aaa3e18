"""Make keys.json and invite.json: known answers to docs/spec/keys.md and docs/spec/invite.md.

Written from the spec's words with hashlib, cbor2, cryptography and PyNaCl's Box alone: nothing of Tertulia is
imported, so that the vectors judge it. All inputs are SHAKE-256 of their names. HPKE draws its own randomness, so what
it sealed is kept from the existing file while it still opens.

    python tests/vectors/make_keys.py
"""

import base64
import json
from hashlib import blake2b, shake_256
from ipaddress import ip_address
from pathlib import Path

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from nacl.public import Box, PrivateKey, PublicKey

HERE = Path(__file__).parent
SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def some(name, size=32):
    return shake_256(name.encode()).digest(size)


def cbor(value):
    return cbor2.dumps(value, canonical=True)


def h(label, data, size=32):
    return blake2b(data, digest_size=size, person=label).digest()


def mac(label, key, data=b"", size=32):
    return blake2b(data, digest_size=size, key=key, person=label).digest()


def signing(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed, label, payload):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(cbor([label, payload]))


def boxing(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def dh(secret, public):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


def hpke_halves(seed):
    return MLKEM768PrivateKey.from_seed_bytes(seed[:64]), X25519PrivateKey.from_private_bytes(seed[64:])


def hpke_public(seed):
    return b"".join(half.public_key().public_bytes_raw() for half in hpke_halves(seed))


def hpke_seal(old, seed, info, plaintext):
    """What the old file holds if it opens to this plaintext, else a fresh sealing."""
    try:
        if old and SUITE.decrypt(bytes.fromhex(old), MLKEM768X25519PrivateKey(*hpke_halves(seed)), info) == plaintext:
            return bytes.fromhex(old)
    except InvalidTag:
        pass
    public = hpke_public(seed)
    keys = MLKEM768PublicKey.from_public_bytes(public[:1184]), X25519PublicKey.from_public_bytes(public[1184:])
    return SUITE.encrypt(plaintext, MLKEM768X25519PublicKey(*keys), info)


def frame_keys(label, secret):
    root = mac(label, secret)
    return {"tag": mac(b"t1 frame tag key", root), "aead": mac(b"t1 frame aead", root)}


def persona(name, dialogue):
    seed, secret = some(f"{name} sign"), some(f"{name} box")
    keys = [signing(seed), boxing(secret)]
    name = h(b"t1 persona id", cbor([dialogue, *keys]))
    return {"sign_seed": seed, "box_secret": secret, "sign": keys[0], "box": keys[1], "id": name}


def prekey(name, born, days):
    secret, seed = some(f"{name} box"), some(f"{name} hpke", 96)
    value = [boxing(secret), hpke_public(seed), days, born]
    return {
        "box_secret": secret,
        "hpke_seed": seed,
        "born": born,
        "retention_days": days,
        "value": cbor(value),
        "id": h(b"t1 prekey id", cbor(value)),
        "expires": born + days * 1440,
        "renew_at": born + days * 1440 // 3,
    }


def keys(old):
    dialogue, room = some("dialogue"), some("room")
    ruth, omar, yusuf = (persona(name, dialogue) for name in ("ruth", "omar", "yusuf"))
    mine = prekey("omar", 29_700_000, 30)
    session, following = some("session"), some("following session")
    heads, state_hash = sorted([some("head a"), some("head b")]), some("state", 32)
    start, end = 29_700_010, 29_701_450
    shared = dh(ruth["box_secret"], omar["box"])
    said = [dialogue, signing(session), ruth["id"], omar["id"], signing(following), start, end, heads, state_hash]
    secret = some("epoch secret")
    roster = h(b"t1 epoch roster", b"".join(sorted(one["id"] for one in (ruth, omar, yusuf))))
    parents = sorted([some("parent a"), some("parent b")])
    commitment = h(b"t1 epoch commit", secret)
    epoch = h(b"t1 epoch id", cbor([dialogue, room, parents, roster, ruth["id"], commitment]))
    door = mac(b"t1 epoch door", secret)
    context = cbor([b"t1 epoch share", dialogue, room, epoch, ruth["id"], omar["id"], mine["id"]])
    nonce = some("share nonce", 24)
    box = Box(PrivateKey(ruth["box_secret"]), PublicKey(boxing(mine["box_secret"])))
    inner = bytes(box.encrypt(context + secret, nonce))
    sealed = hpke_seal(old.get("share", {}).get("sealed"), mine["hpke_seed"], context, inner)
    return {
        "dialogue": dialogue,
        "room": room,
        "personas": [ruth, omar, yusuf],
        "prekey": mine,
        "introduction": {
            "session_seed": session,
            "following_seed": following,
            "session": signing(session),
            "key": signing(following),
            "start": start,
            "end": end,
            "heads": heads,
            "state_hash": state_hash,
            "mac": mac(b"t1 introduction", shared, cbor(said), 16),
        },
        "epoch": {
            "secret": secret,
            "parents": parents,
            "created": 29_700_020,
            "roster_hash": roster,
            "commitment": commitment,
            "id": epoch,
            "keys": frame_keys(b"t1 epoch frame", secret),
            "door": door,
            "door_keys": frame_keys(b"t1 door frame", door),
            "first_minute": 29_700_020 - 60,
            "last_minute": 29_700_020 + 25 * 60,
        },
        "share": {"context": context, "nonce": nonce, "plaintext": inner, "sealed": sealed},
        "pair": frame_keys(b"t1 pair frame", dh(omar["box_secret"], ruth["box"])),
        "lacks": lacks(),
        "retold": [
            retold(kept(old, place), dialogue, ruth, omar, mine, *told)
            for place, told in enumerate((
                ([spoken(dialogue, room, "heard again"), spoken(dialogue, room, "too old", erased=True)], True),
                ([], False),
            ))
        ],
    }


def lacks():
    """Marks `[3, asked, epochs, events, cut]`: of all kinds of ids, of none, and without a wish for speech."""
    asked, epochs, events, cut = (sorted(some(f"{what} {n}") for n in range(2)) for what in ("asked", "e", "v", "c"))
    full = {"asked": asked, "epochs": epochs, "events": events, "cut": cut}
    everything = {"asked": asked[:1], "epochs": [], "events": [], "cut": []}
    keys_only = {"asked": asked[:1], "epochs": epochs[:1], "events": [], "cut": None}
    return [{**one, "body": cbor([3, *one.values()])} for one in (full, everything, keys_only)]


def spoken(dialogue, room, text, *, erased=False):
    """Speech as an item of type 1 has it, with null for its body where that is kept no longer; events.md."""
    body, salt = cbor(["message", text, "", None]), some(f"{text} salt", 16)
    hashed = h(b"t1 event body", salt + body)
    fields = [1, dialogue, room, 4, 1, [], [some("control head")], 7, 29_700_030, signing(some("session")), hashed]
    header = cbor(fields)
    proof = sign(some("session"), b"t1 event proof", h(b"t1 event id", header))
    return [header, salt, None if erased else body, proof]


def kept(old, place):
    """What the old file holds of this one, if anything."""
    return dict(enumerate(old.get("retold", ()))).get(place, {})


def retold(old, dialogue, sender, recipient, mine, events, more):
    context = cbor([b"t1 retold", dialogue, sender["id"], recipient["id"], mine["id"]])
    nonce = some("retold nonce", 24)
    box = Box(PrivateKey(sender["box_secret"]), PublicKey(boxing(mine["box_secret"])))
    inner = bytes(box.encrypt(context + cbor([events, more]), nonce))
    return {
        "context": context, "nonce": nonce, "events": events, "more": more, "plaintext": inner,
        "sealed": hpke_seal(old.get("sealed"), mine["hpke_seed"], context, inner),
    }  # fmt: skip


def invite_text(body):
    return base64.b32encode(body + h(b"t1 invite check", body)[:4]).decode().rstrip("=")


def invites():
    commons, secret, peer = some("commons"), some("secret", 16), signing(some("seed peer"))
    addresses = {
        "": (0, b""),
        "/ip4/192.0.2.7/tcp/4001": (1, ip_address("192.0.2.7").packed + b"\x0f\xa1"),
        "/ip6/2001:db8::7/tcp/4001": (2, ip_address("2001:db8::7").packed + b"\x0f\xa1"),
        "/dns4/home.example.org/tcp/4001": (3, b"home.example.org\x0f\xa1"),
        f"/dns4/{'a' * 28}.org/tcp/4001": (3, b"a" * 28 + b".org\x0f\xa1"),
    }
    good = []
    for text, (kind, data) in addresses.items():
        body = bytes((1, 1)) + commons + secret + bytes((kind,)) + data + peer
        good.append({
            "commons_key": commons, "generation": 1, "secret": secret, "address": text, "peer": peer,
            "text": invite_text(body),
        })  # fmt: skip
    first = good[1]["text"]
    wildcard = bytes((1, 1)) + commons + secret + bytes((1,)) + bytes(4) + b"\x0f\xa1" + peer
    onion = bytes((1, 1)) + commons + secret + bytes((4,)) + bytes(34) + peer
    bad = [
        {"text": "", "fault": "not an invite"},
        {"text": "see you on Tuesday", "fault": "not an invite"},
        {"text": first[:-1], "fault": "damaged"},
        {"text": first[:30] + ("B" if first[30] != "B" else "C") + first[31:], "fault": "damaged"},
        {"text": first[:100], "fault": "damaged"},
        {"text": invite_text(wildcard), "fault": "damaged"},
        {"text": invite_text(onion), "fault": "damaged"},
        {"text": invite_text(b"\2" + some("a later version", 100)), "fault": "other version"},
    ]
    return good, bad


def invite(old):
    good, bad = invites()
    charter = some("charter", 200)
    dialogue = h(b"t1 dialogue id", charter)
    inviter, guest = persona("inviter", dialogue), persona("guest", dialogue)
    seed = some("card hpke", 96)
    fields = {
        "dialogue": dialogue,
        "title": "Fährfahrt für alle",
        "commons_name": "Hafen",
        "retention_days": 30,
        "inviter": [inviter["sign"], inviter["box"]],
        "nick": "Ruth",
        "hpke_public": hpke_public(seed),
        "uses": 3,
        "expires": 29_710_000,
        "ask": False,
        "charter": charter,
        "randomness": some("randomness"),
    }
    card = cbor([1, *fields.values()])
    secret, name = h(b"t1 invite secret", card)[:16], h(b"t1 card hash", card)
    session, mine = some("guest session"), prekey("guest", 29_700_000, 30)
    claims = [
        [guest["sign"], guest["box"]], signing(session), [cbor2.loads(mine["value"])], "Omar", some("welcome"),
        some("charter hash"),
    ]  # fmt: skip
    covered = cbor([name, *claims])
    proofs = [
        sign(guest["sign_seed"], b"t1 knock persona", covered),
        sign(session, b"t1 knock session", covered),
    ]
    plaintext = cbor([*claims, *proofs])
    knock = h(b"t1 knock id", plaintext)
    info = cbor([b"t1 knock", name])
    digits = f"{int.from_bytes(h(b't1 knock code', name + knock), 'big') % 10**20:020}"
    return {
        "invites": good,
        "refused": bad,
        "card": {
            "fields": fields,
            "hpke_seed": seed,
            "bytes": card,
            "secret": secret,
            "hash": name,
            "keys": frame_keys(b"t1 card frame", secret),
        },
        "knock": {
            "persona": guest,
            "session_seed": session,
            "prekey": mine,
            "nickname": "Omar",
            "welcome_secret": some("welcome"),
            "charter_hash": some("charter hash"),
            "plaintext": plaintext,
            "id": knock,
            "info": info,
            "sealed": hpke_seal(old.get("knock", {}).get("sealed"), seed, info, plaintext),
            "code": " ".join(digits[at : at + 4] for at in range(0, 20, 4)),
            "keys": frame_keys(b"t1 knock frame", secret),
            "welcome_keys": frame_keys(b"t1 welcome frame", some("welcome")),
        },
    }


def hexed(value):
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: hexed(one) for key, one in value.items()}
        case list() | tuple():
            return [hexed(one) for one in value]
    return value


if __name__ == "__main__":
    for make in (keys, invite):
        path = HERE / f"{make.__name__}.json"
        before = json.loads(path.read_text("utf-8")) if path.exists() else {}
        path.write_text(json.dumps(hexed(make(before)), indent=1, ensure_ascii=False) + "\n", "utf-8")
