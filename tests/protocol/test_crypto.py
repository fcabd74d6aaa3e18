"""The primitives give what their documents say, and refuse what they must.

The vectors are those of RFC 7693, RFC 8032, RFC 7748 and draft-irtf-cfrg-xchacha-03: nobody here wrote them. BLAKE2b
with a label is checked against libsodium's, a second implementation. `check_wycheproof.py` in tests/vectors runs
Wycheproof's over the same functions.
"""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from tertulia.protocol import crypto
from tertulia.protocol.encoding import encode
from tertulia.protocol.labels import Label

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19

# RFC 8032 §7.1: seed, public key, message, signature.
ED25519 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
            "655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
            "b00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
            "c027beceea1ec40a"
        ),
    ),
]

# RFC 7748 §5.2 and §6.1: secret, public, shared.
X25519 = [
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
    (
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ),
]

# The points of order 1, 2, 4 and 8 on both curves, by their bytes.
LOW_MONTGOMERY = [
    *(u.to_bytes(32, "little") for u in (0, 1, P - 1, P, P + 1)),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]
LOW_MONTGOMERY += [point[:31] + bytes([point[31] | 0x80]) for point in LOW_MONTGOMERY]
LOW_EDWARDS = [
    *(y.to_bytes(32, "little") for y in (0, 1, P - 1, P, P + 1)),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]
LOW_EDWARDS += [point[:31] + bytes([point[31] | 0x80]) for point in LOW_EDWARDS]

SEED = bytes(range(32))
SECRET = bytes(range(1, 33))
NONCE = bytes(range(24))


def hexed(*texts):
    return tuple(bytes.fromhex(text) for text in texts)


# ---------------------------------------------------------------------------------------------------------------------
# Hashes


def test_rfc_7693_appendix_a():
    assert hashlib.blake2b(b"abc").hexdigest() == (
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
    )


@given(st.binary(max_size=300), st.integers(1, 64), st.sampled_from(list(Label)))
def test_the_labelled_hash_is_libsodiums(data, size, label):
    assert crypto.digest(label, data, size) == bindings.crypto_generichash_blake2b_salt_personal(
        data, digest_size=size, person=bytes(label)
    )


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=64), st.integers(1, 64), st.sampled_from(list(Label)))
def test_the_keyed_hash_is_libsodiums(data, key, size, label):
    assert crypto.keyed(label, key, data, size) == bindings.crypto_generichash_blake2b_salt_personal(
        data, digest_size=size, key=key, person=bytes(label)
    )


def test_label_key_size_and_data_each_change_the_hash():
    seen = {
        crypto.digest(Label.HELLO, b"a"),
        crypto.digest(Label.ITEM_ID, b"a"),
        crypto.digest(Label.HELLO, b"b"),
        crypto.digest(Label.HELLO, b"a", 64)[:32],
        crypto.keyed(Label.HELLO, SEED, b"a"),
        crypto.keyed(Label.HELLO, SECRET, b"a"),
        crypto.derive(Label.HELLO, SEED),
        crypto.derive(Label.ITEM_ID, SEED),
    }
    assert len(seen) == 8


def test_a_keyed_hash_needs_a_key():
    with pytest.raises(ValueError):
        crypto.keyed(Label.HELLO, b"", b"a")


def test_equal():
    assert crypto.equal(b"abc", b"abc")
    assert not crypto.equal(b"abc", b"abd")
    assert not crypto.equal(b"abc", b"abcd")


# ---------------------------------------------------------------------------------------------------------------------
# AEAD


def test_xchacha20_poly1305_draft_03_appendix_a_3():
    key, nonce, aad = hexed(
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        "404142434445464748494a4b4c4d4e4f5051525354555657",
        "50515253c0c1c2c3c4c5c6c7",
    )
    plaintext = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        b"sunscreen would be it."
    )
    sealed = bytes.fromhex(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
        "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
        "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49"
    )
    assert crypto.seal(key, nonce, plaintext, aad) == sealed
    assert crypto.unseal(key, nonce, sealed, aad) == plaintext


def test_any_changed_bit_keeps_it_shut():
    sealed = crypto.seal(SEED, NONCE, b"hello", b"aad")
    assert len(sealed) == 5 + crypto.SEAL
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        assert crypto.unseal(SEED, NONCE, bytes(changed), b"aad") is None
    assert crypto.unseal(SEED, NONCE, sealed, b"add") is None
    assert crypto.unseal(SECRET, NONCE, sealed, b"aad") is None
    assert crypto.unseal(SEED, NONCE[::-1], sealed, b"aad") is None
    assert crypto.unseal(SEED, NONCE, sealed[:-1], b"aad") is None
    assert crypto.unseal(SEED, NONCE, b"", b"aad") is None
    assert crypto.unseal(SEED, NONCE, sealed, b"aad") == b"hello"


# ---------------------------------------------------------------------------------------------------------------------
# Signatures


@pytest.mark.parametrize(("seed", "public", "message", "proof"), [hexed(*row) for row in ED25519])
def test_rfc_8032_section_7_1(seed, public, message, proof):
    assert crypto.signing_public(seed) == public
    assert crypto._signature(seed, message) == proof
    assert crypto._signed(public, message, proof)


def test_a_signature_covers_its_label_and_payload():
    public = crypto.signing_public(SEED)
    proof = crypto.sign(SEED, Label.HELLO, b"payload")
    assert len(proof) == crypto.PROOF
    assert proof == crypto._signature(SEED, encode([Label.HELLO, b"payload"]))
    assert crypto.verify(public, Label.HELLO, b"payload", proof)
    assert not crypto.verify(public, Label.ITEM_ID, b"payload", proof)
    assert not crypto.verify(public, Label.HELLO, b"payloae", proof)
    assert not crypto.verify(crypto.signing_public(SECRET), Label.HELLO, b"payload", proof)


def test_any_changed_bit_of_a_signature_is_refused():
    public = crypto.signing_public(SEED)
    proof = crypto.sign(SEED, Label.HELLO, b"payload")
    for bit in range(8 * len(proof)):
        changed = bytearray(proof)
        changed[bit // 8] ^= 1 << bit % 8
        assert not crypto.verify(public, Label.HELLO, b"payload", bytes(changed))


@pytest.mark.parametrize("cut", [0, 1, 32, 63])
def test_keys_and_proofs_of_another_length_are_refused(cut):
    public, proof = crypto.signing_public(SEED), crypto.sign(SEED, Label.HELLO, b"a")
    assert not crypto.verify(public, Label.HELLO, b"a", proof[:cut])
    assert not crypto.verify(public, Label.HELLO, b"a", proof + b"\0")
    assert not crypto.verify(public[:cut][:31], Label.HELLO, b"a", proof)
    assert not crypto.verify(public + b"\0", Label.HELLO, b"a", proof)


def test_the_second_form_of_a_signature_is_refused():
    """S + L satisfies the equation as well: a scalar that is not canonical would give one event two proofs."""
    public, proof = crypto.signing_public(SEED), crypto.sign(SEED, Label.HELLO, b"a")
    scalar = int.from_bytes(proof[32:], "little") + ED25519_ORDER
    assert not crypto.verify(public, Label.HELLO, b"a", proof[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("public", LOW_EDWARDS, ids=bytes.hex)
def test_keys_of_low_order_sign_nothing(public):
    """Under the point 1 the proof (1, 0) satisfies the equation for every message; the others for some of them."""
    for point in LOW_EDWARDS:
        for message in (b"", b"a", b"b", b"c"):
            assert not crypto.verify(public, Label.HELLO, message, point + bytes(32))


# ---------------------------------------------------------------------------------------------------------------------
# X25519 and boxes


@pytest.mark.parametrize(("secret", "public", "shared"), [hexed(*row) for row in X25519])
def test_rfc_7748_vectors(secret, public, shared):
    assert crypto.dh(secret, public) == shared


def test_rfc_7748_iterated():
    k = u = (9).to_bytes(32, "little")
    for number in range(1000):
        k, u = crypto.dh(k, u), k
        if number == 0:
            assert k.hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    assert k.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def test_both_sides_share():
    mine, theirs = crypto.box_public(SEED), crypto.box_public(SECRET)
    assert crypto.dh(SEED, theirs) == crypto.dh(SECRET, mine) is not None


@pytest.mark.parametrize("point", LOW_MONTGOMERY, ids=bytes.hex)
def test_points_of_low_order_are_refused(point):
    assert crypto.dh(SEED, point) is None
    assert crypto.box_open(SEED, point, bytes(60)) is None
    with pytest.raises(ValueError):
        crypto.box_seal(SEED, point, NONCE, b"")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_public_keys_of_another_length_are_refused(size):
    assert crypto.dh(SEED, bytes(size)) is None
    assert crypto.box_open(SEED, bytes(size), bytes(60)) is None
    with pytest.raises(ValueError):
        crypto.box_seal(SEED, bytes(size), NONCE, b"")


def test_a_box_opens_for_both_and_either_could_have_made_it():
    mine, theirs = crypto.box_public(SEED), crypto.box_public(SECRET)
    sealed = crypto.box_seal(SEED, theirs, NONCE, b"hello")
    assert sealed[:24] == NONCE
    assert len(sealed) == 5 + crypto.NONCE + crypto.SEAL
    assert crypto.box_open(SECRET, mine, sealed) == crypto.box_open(SEED, theirs, sealed) == b"hello"
    assert crypto.box_seal(SECRET, mine, NONCE, b"hello") == sealed


def test_a_changed_box_stays_shut():
    mine, theirs = crypto.box_public(SEED), crypto.box_public(SECRET)
    sealed = crypto.box_seal(SEED, theirs, NONCE, b"hello")
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        assert crypto.box_open(SECRET, mine, bytes(changed)) is None
    assert crypto.box_open(SECRET, theirs, sealed) is None
    assert crypto.box_open(SECRET, mine, sealed[:39]) is None


# ---------------------------------------------------------------------------------------------------------------------
# Our own mistakes


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: crypto.seal(bytes(31), NONCE, b"", b""),
        lambda: crypto.seal(SEED, bytes(12), b"", b""),
        lambda: crypto.unseal(bytes(33), NONCE, bytes(16), b""),
        lambda: crypto.unseal(SEED, bytes(25), bytes(16), b""),
        lambda: crypto.signing_public(bytes(64)),
        lambda: crypto.sign(bytes(31), Label.HELLO, b""),
        lambda: crypto.box_public(bytes(31)),
        lambda: crypto.dh(bytes(31), SEED),
        lambda: crypto.box_seal(bytes(31), SEED, NONCE, b""),
        lambda: crypto.box_seal(SEED, SEED, bytes(23), b""),
        lambda: crypto.box_open(bytes(31), SEED, bytes(60)),
    ],
)
def test_secrets_and_nonces_of_another_length_are_the_callers_mistake(wrong):
    with pytest.raises(ValueError, match="expected"):
        wrong()
