"""The identity: one Ed25519 root for each citizen, which signs nothing but the list of their devices.

Implements docs/spec/identity.md, sections Identity and Safety number. It is drawn when it is first shown, kept in the
vault, and never signs speech. Personas, which dialogues see, are random and not derived from it. A device holds an
X25519 key, with which it proves to one persona at a time whose it is, and an HPKE key, to which invites are sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol import hpke
from tertulia.protocol.crypto import KEY, PROOF, Entropy, box_public, digest, sign, signing_public, verify
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.labels import Label
from tertulia.protocol.persona import is_box_key
from tertulia.protocol.shape import as_bytes, as_id, as_int, as_list

LIMIT_DEVICES: Final = 4
"""Devices of one identity."""
LIMIT_COUNTER: Final = 2**32 - 1
"""The last version of a list of devices."""
LIMIT_DEVICE_LIST: Final = 64 + LIMIT_DEVICES * (KEY + hpke.PUBLIC + 16)
"""Bytes of a list of devices."""
SAFETY_DIGITS: Final = 60
"""Digits of a safety number."""
_GROUP: Final = 5


@dataclass(frozen=True, slots=True)
class Device:
    """The public halves: `box` 32 bytes, `hpke` 1,216."""

    box: bytes = field(repr=False)
    hpke: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceList:
    """What a root has signed: which devices speak for it. A higher `counter` is a later list."""

    root: bytes
    counter: int
    devices: tuple[Device, ...]
    proof: bytes = field(repr=False)

    @property
    def signed(self) -> bytes:
        """CBOR `[root, counter, [[box, hpke], …]]`."""
        return _signed(self.root, self.counter, self.devices)

    @property
    def digest(self) -> bytes:
        """H of what is signed, 32 bytes: what safety numbers are made of."""
        return digest(Label.DEVICES_HASH, self.signed)

    def to_value(self) -> Value:
        """`[signed, proof]`."""
        return [self.signed, self.proof]

    @classmethod
    def from_value(cls, value: Value) -> DeviceList:
        """Read `[signed, proof]`.

        Raises RemoteError: SIZE, ENCODING, SHAPE; KEY for a device that nothing could be sealed to; PROOF where the
        root did not sign it.
        """
        covered, proof = as_list(value, 2)
        signed, by = as_bytes(covered), as_bytes(proof, PROOF)
        root, counter, devices = as_list(decode(signed, LIMIT_DEVICE_LIST), 3)
        found = cls(
            as_id(root),
            as_int(counter, 1, LIMIT_COUNTER),
            tuple(_device(device) for device in as_list(devices, most=LIMIT_DEVICES)),
            by,
        )
        if not verify(found.root, Label.DEVICES, signed, by):
            raise RemoteError(RejectReason.PROOF, "devices")
        return found


def _device(value: Value) -> Device:
    box, kem = as_list(value, 2)
    device = Device(as_bytes(box, KEY), as_bytes(kem, hpke.PUBLIC))
    if not is_box_key(device.box) or not hpke.is_public(device.hpke):
        raise RemoteError(RejectReason.KEY, "device")
    return device


def _signed(root: bytes, counter: int, devices: Sequence[Device]) -> bytes:
    return encode([root, counter, [[device.box, device.hpke] for device in devices]])


@dataclass(frozen=True, slots=True)
class Identity:
    """The root's seed (32 bytes) and this device's secrets (32 and 96); computed once, the list of its one device."""

    seed: bytes = field(repr=False)
    box_secret: bytes = field(repr=False)
    hpke_seed: bytes = field(repr=False)
    devices: DeviceList = field(init=False)

    def __post_init__(self) -> None:
        root = signing_public(self.seed)
        device = Device(box_public(self.box_secret), hpke.public(self.hpke_seed))
        proof = sign(self.seed, Label.DEVICES, _signed(root, 1, [device]))
        object.__setattr__(self, "devices", DeviceList(root, 1, (device,), proof))

    def encode(self) -> bytes:
        """Its vault row."""
        return encode([self.seed, self.box_secret, self.hpke_seed])

    @classmethod
    def decode(cls, row: bytes) -> Identity:
        """Raises RemoteError when the row is not one of ours."""
        seed, box_secret, hpke_seed = as_list(decode(row, LIMIT_DEVICE_LIST), 3)
        return cls(as_bytes(seed, KEY), as_bytes(box_secret, KEY), as_bytes(hpke_seed, hpke.SEED))


def new_identity(entropy: Entropy) -> Identity:
    """Draw an identity and its first device."""
    return Identity(entropy(KEY), entropy(KEY), entropy(hpke.SEED))


def safety_number(mine: DeviceList, theirs: DeviceList) -> str:
    """60 digits in groups of five, the same on both screens exactly when each holds the other's present list."""
    low, high = sorted((mine.digest, theirs.digest))
    value = int.from_bytes(digest(Label.SAFETY_NUMBER, low + high), "big") % 10**SAFETY_DIGITS
    digits = f"{value:0{SAFETY_DIGITS}}"
    return " ".join(digits[at : at + _GROUP] for at in range(0, SAFETY_DIGITS, _GROUP))
