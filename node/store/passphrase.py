"""The wrap: the vault's random master key, sealed under what only the citizen knows.

DESIGN §5 *At rest*. vault.wrap = CBOR [header, nonce, sealed, check]; header = CBOR ["tertulia wrap", 1, MiB, passes,
salt]; sealed = XChaCha20-Poly1305 of the master key under Argon2id(passphrase, salt), the header as its AAD; check =
an unkeyed hash of the other three, so that a damaged file is not taken for a wrong passphrase. Invariant: the cost in
a file is bounded before it is spent. Destroying this one file makes the vault unreadable for ever.
"""

from __future__ import annotations

import os
import time
import unicodedata
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from nacl import pwhash
from nacl.exceptions import CryptoError

from tertulia.node.store.files import NEW, destroy, read_limited, write_atomically
from tertulia.node.store.problems import StoreDamaged, StoreNewer, damaged, newer
from tertulia.protocol import crypto, shape
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import LocalError, Problem, RemoteError

MAGIC: Final = "tertulia wrap"
VERSION: Final = 1
WHAT: Final = "the key that the passphrase opens"
CHECK: Final = 16
LIMIT_FILE: Final = 512
"""Bytes of a wrap; today's has 160."""
LIMIT_PASSPHRASE: Final = 1_024
"""Characters of a passphrase."""
LIMIT_MIB: Final = 4_096
LIMIT_PASSES: Final = 64
LEAST_MIB: Final = 1
SECONDS: Final = 1.0
"""What `calibrate` aims at."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess at the passphrase costs: mebibytes of memory, and passes over them."""

    mib: int
    ops: int

    def __post_init__(self) -> None:
        """Raise LocalError for a cost out of bounds: too small to be Argon2id, too large to be meant."""
        if not (LEAST_MIB <= self.mib <= LIMIT_MIB and 1 <= self.ops <= LIMIT_PASSES):
            raise LocalError(
                Problem(
                    f"Passphrase hashing takes {LEAST_MIB} to {LIMIT_MIB} MiB and 1 to {LIMIT_PASSES} passes, "
                    f"not {self.mib} and {self.ops}.",
                    "Nothing was changed.",
                    "Choose a cost within these bounds, or leave it out.",
                )
            )


DEFAULT_COST: Final = Cost(256, 6)
"""0.5 to 1 s on a laptop of 2024. Six passes are one core's work; the memory is what a guesser pays for."""
LEAST_PASSES: Final = 3
"""What `calibrate` never goes below, however slow the machine (RFC 9106 §4)."""


class WrongPassphrase(LocalError):
    """The passphrase is not the one this profile was made with."""


class Damaged(StoreDamaged):
    """The wrap is not what was written."""


class Newer(StoreNewer):
    """A later release wrote the wrap."""


def calibrate() -> Cost:
    """Return the default memory with as many passes as take about a second here; blocks for about as long."""
    start = time.perf_counter()
    _stretch("calibration", bytes(pwhash.argon2id.SALTBYTES), Cost(DEFAULT_COST.mib, LEAST_PASSES))
    each = (time.perf_counter() - start) / LEAST_PASSES
    return Cost(DEFAULT_COST.mib, min(LIMIT_PASSES, max(LEAST_PASSES, round(SECONDS / each))))


def wrap(master_key: bytes, passphrase: str, cost: Cost = DEFAULT_COST) -> bytes:
    """Return the bytes of a wrap of a 32-byte master key. Raises LocalError for a passphrase that cannot be one."""
    salt, nonce = os.urandom(pwhash.argon2id.SALTBYTES), os.urandom(crypto.NONCE)
    header = encode([MAGIC, VERSION, cost.mib, cost.ops, salt])
    assert len(master_key) == crypto.KEY
    sealed = crypto.seal(_stretch(passphrase, salt, cost), nonce, master_key, header)
    return encode([header, nonce, sealed, _check(header, nonce, sealed)])


def unwrap(data: bytes, passphrase: str) -> bytes:
    """Return the master key from the bytes of a wrap.

    Raises WrongPassphrase; Damaged or Newer for bytes that are not a wrap of this version; LocalError where the memory
    that the wrap asks for cannot be had.
    """
    return _unwrap(data, passphrase, Path("vault.wrap"))


def write_wrap(path: Path, master_key: bytes, passphrase: str, cost: Cost = DEFAULT_COST) -> None:
    """Wrap the master key into the file at `path`, replacing an older wrap in one step.

    Raises as `wrap`, and StoreFull or StoreFailed.
    """
    write_atomically(path, wrap(master_key, passphrase, cost))


def read_wrap(path: Path, passphrase: str) -> bytes:
    """Return the master key from the file at `path`. Raises as `unwrap`, StoreError. The file is only read."""
    return _unwrap(read_limited(path, LIMIT_FILE, WHAT), passphrase, path)


def cost_of(data: bytes) -> Cost:
    """Return the cost a wrap was made with. Raises Damaged, Newer."""
    return _parse(data, Path("vault.wrap")).cost


def panic(path: Path) -> None:
    """Destroy the wrap at `path`, and an unfinished one beside it: nobody opens this vault again. No confirmation.

    Raises StoreFailed if the file could not be removed. Blocks on the disk once, and asks for no passphrase.
    """
    destroy(path)
    destroy(path.with_name(path.name + NEW))


@dataclass(frozen=True, slots=True, repr=False)
class _Wrap:
    header: bytes
    cost: Cost
    salt: bytes
    nonce: bytes
    sealed: bytes


def _unwrap(data: bytes, passphrase: str, path: Path) -> bytes:
    parsed = _parse(data, path)
    key = _stretch(passphrase, parsed.salt, parsed.cost)
    master_key = crypto.unseal(key, parsed.nonce, parsed.sealed, parsed.header)
    if master_key is None:
        raise WrongPassphrase(
            Problem(
                "That is not the passphrase of this profile.",
                "Nothing was changed, and there is no limit to the number of tries.",
                "Check capital letters and the keyboard's language, then type it again.",
            )
        )
    return master_key


def _parse(data: bytes, path: Path) -> _Wrap:
    """Read a wrap without spending its cost. Raises Damaged, Newer."""
    try:
        header, nonce, sealed, check = shape.as_list(decode(data, LIMIT_FILE), 4)
        header, nonce = shape.as_bytes(header), shape.as_bytes(nonce, crypto.NONCE)
        sealed, check = shape.as_bytes(sealed, crypto.KEY + crypto.SEAL), shape.as_bytes(check, CHECK)
        if check != _check(header, nonce, sealed):
            raise Damaged(damaged(path, WHAT).problem)
        fields = shape.as_list(decode(header, LIMIT_FILE), most=32)
        if len(fields) < 2 or fields[0] != MAGIC:
            raise Damaged(damaged(path, WHAT).problem)
        if shape.as_int(fields[1], 1, 2**32) > VERSION:
            raise Newer(newer(path, WHAT).problem)
        _, _, mib, ops, salt = shape.as_list(fields, 5)
        cost = Cost(shape.as_int(mib, LEAST_MIB, LIMIT_MIB), shape.as_int(ops, 1, LIMIT_PASSES))
        return _Wrap(header, cost, shape.as_bytes(salt, pwhash.argon2id.SALTBYTES), nonce, sealed)
    except RemoteError as error:
        raise Damaged(damaged(path, WHAT).problem) from error


def _check(header: bytes, nonce: bytes, sealed: bytes) -> bytes:
    """Return the hash that tells a damaged file from a wrong passphrase; it protects nothing."""
    return blake2b(encode([header, nonce, sealed]), digest_size=CHECK, person=b"tertulia wrap").digest()


def _stretch(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """Return the 32-byte key of a passphrase: Argon2id (RFC 9106) of its NFC form (RFC 8265, OpaqueString).

    Raises LocalError for an empty or endless passphrase, and where the memory cannot be had.
    """
    if not passphrase or len(passphrase) > LIMIT_PASSPHRASE:
        raise LocalError(
            Problem(
                f"A passphrase has 1 to {LIMIT_PASSPHRASE} characters.",
                "Nothing was changed.",
                "Choose one that you can remember and others cannot guess: six random words are good.",
            )
        )
    try:
        text = unicodedata.normalize("NFC", passphrase).encode()
    except UnicodeEncodeError as error:
        raise LocalError(
            Problem(
                "That passphrase is not text.", "Nothing was changed.", "Type it again, or check the file it is in."
            )
        ) from error
    try:
        return pwhash.argon2id.kdf(crypto.KEY, text, salt, opslimit=cost.ops, memlimit=cost.mib * 1024 * 1024)
    except (CryptoError, MemoryError) as error:
        raise LocalError(
            Problem(
                f"Opening this profile takes {cost.mib} MiB of memory, and this computer does not have them free.",
                "Nothing was changed.",
                "Close other programs and try again.",
            )
        ) from error
