"""The register of labels: each use of a hash, KDF, MAC, signature, box or HPKE has exactly one.

Spec: docs/spec/README.md, *Labels*. At most 16 ASCII bytes, unique, never reused for another purpose; BLAKE2b takes
them as its `person` (zero-padded), signatures and HPKE inside what they cover. Append a line in alphabetical order.
A label that has been released is never changed or removed.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

LABEL: Final = 16
"""Bytes in the longest label: the size of BLAKE2b's `person`."""


@unique
class Label(bytes, Enum):
    """Every label, with what it is for."""

    ADDRESS_LINE = b"t1 address line"  # keyed hash: an address that frames came from, in the archive's accounts
    CARD_FRAME = b"t1 card frame"  # KDF: the keys of the frames that carry a card, of the invite key
    CARD_HASH = b"t1 card hash"  # hash: a card, as knocks, admissions and short codes name it
    CHARTER_HASH = b"t1 charter hash"  # hash: the charter's body, as an acceptance names it
    COMMONS_CARD = b"t1 commons card"  # signature: a commons' card, by a steward
    COMMONS_CARD_FRAME = b"t1 commons cards"  # KDF: the keys of the frames that carry it, of the commons key
    COMMONS_CARD_ID = b"t1 commons c id"  # hash: the id of a commons' card
    COMMONS_ID = b"t1 commons id"  # hash: the id of a commons, of its key and generation
    COMMONS_STEWARDS = b"t1 stewards"  # hash: the stewards of a commons and their quorum
    COMMONS_TOPIC = b"t1 topic"  # keyed hash: the name of a shard's topic, under the commons key
    CONTACT_FRAME = b"t1 contact frame"  # KDF: the keys of the frames between two devices, of their DH
    CORRIDOR = b"t1 corridor"  # HPKE and box: the context of what one member tells another about a corridor
    CORRIDOR_FRAME = b"t1 corridor f"  # KDF: the keys of the frames in which a corridor speaks, of its secret
    CORRIDOR_MAC = b"t1 corridor mac"  # MAC: who has said something in a corridor, under the personas' DH
    DEVICES = b"t1 devices"  # signature: an identity's list of devices, by its root
    DEVICES_HASH = b"t1 devices hash"  # hash: that list, as reveals and safety numbers name it
    DIALOGUE_ID = b"t1 dialogue id"  # hash: the id of a dialogue, of its charter's body
    DOOR_FRAME = b"t1 door frame"  # KDF: the keys of frames under a door
    EPOCH_COMMIT = b"t1 epoch commit"  # hash: the commitment to an epoch's secret
    EPOCH_DOOR = b"t1 epoch door"  # KDF: the door secret, of the epoch's secret
    EPOCH_FRAME = b"t1 epoch frame"  # KDF: the keys of frames under an epoch
    EPOCH_ID = b"t1 epoch id"  # hash: the id of an epoch
    EPOCH_ROSTER = b"t1 epoch roster"  # hash: a roster, of its sorted persona ids
    EPOCH_SHARE = b"t1 epoch share"  # HPKE and box: the context of a share
    EVALUATION = b"t1 evaluation"  # hash: what a survey came to, as the room agrees to its leaving
    EVENT_BODY = b"t1 event body"  # hash: a salted body, as an event's header names it
    EVENT_ID = b"t1 event id"  # hash: the id of an event, of its header
    EVENT_PROOF = b"t1 event proof"  # signature: an event's id, by its session key
    FRAME_AEAD = b"t1 frame aead"  # KDF: the AEAD key of a frame key pair
    FRAME_BODY = b"t1 frame body"  # hash: the ciphertext inside the tag
    FRAME_ID = b"t1 frame id"  # hash: the id of a frame, of all its bytes
    FRAME_MAC = b"t1 frame mac"  # MAC: the commons' MAC over a frame
    FRAME_MAC_KEY = b"t1 frame mac key"  # KDF: the key of that MAC, of the commons key
    FRAME_TAG = b"t1 frame tag"  # MAC: the tag that recognises, authenticates and commits
    FRAME_TAG_KEY = b"t1 frame tag key"  # KDF: the tag key of a frame key pair
    HELLO = b"t1 hello"  # MAC: a side's proof that it knows the commons key
    HELLO_KEY = b"t1 hello key"  # KDF: the key of that MAC, of the commons key
    INTRODUCTION = b"t1 introduction"  # MAC: a session introduced to one member, under the personas' DH
    INVITE_CHECK = b"t1 invite check"  # hash: the check at the end of an invite
    INVITE_NAME = b"t1 invite name"  # hash: what both sides keep an invite under, of its secret
    INVITE_SECRET = b"t1 invite secret"  # hash: the invite's secret, of the card
    ITEM_ID = b"t1 item id"  # hash: the id of an item sent in parts, of their number and the tree over them
    ITEM_NODE = b"t1 item node"  # hash: two nodes of that tree
    ITEM_PART = b"t1 item part"  # hash: a part, a leaf of that tree
    KNOCK = b"t1 knock"  # HPKE: what a knock is sealed for
    KNOCK_CODE = b"t1 knock code"  # hash: the short code two people compare
    KNOCK_FRAME = b"t1 knock frame"  # KDF: the keys of the frames that carry a knock, of the invite key
    KNOCK_ID = b"t1 knock id"  # hash: the id of a knock, of its plaintext
    KNOCK_PERSONA = b"t1 knock persona"  # signature: a knock's persona key is held
    KNOCK_SESSION = b"t1 knock session"  # signature: a knock's session key is held
    LAN_KEY = b"t1 lan key"  # keyed hash: the key of a minute's datagrams on a local network, under the commons key
    LAN_PORT = b"t1 lan port"  # keyed hash: the port of a minute's calls there, under the commons key
    OFFER = b"t1 offer"  # HPKE and box: the context of an invite for one contact
    ON_RECORD = b"t1 on record"  # signature: an endorsement or reservation, by a persona that chose to
    OUTCOME = b"t1 outcome"  # hash: the words of an outcome, as an endorsement names them
    OUTCOME_RECORD = b"t1 outc. record"  # signature: the record of a sealed outcome, by those who sealed it
    PAIR_FRAME = b"t1 pair frame"  # KDF: the keys of the frames between two members, of their personas' DH
    PERSONA_ID = b"t1 persona id"  # hash: the id of a persona in its dialogue
    PREKEY_ID = b"t1 prekey id"  # hash: the id of a prekey
    RECEIPT = b"t1 receipt"  # signature: what a member has received
    RELAY_CARD = b"t1 relay card"  # signature: a relay's card, by its host key in the commons
    RELAY_CARD_HASH = b"t1 relay c hash"  # hash: a signed card, as a feed names it
    RELAY_HOST = b"t1 relay host"  # KDF: the seed of a relay's host key in a commons, of its identity
    RELAY_TICKET = b"t1 relay ticket"  # hash: the check at the end of a relay ticket
    RESOURCE_ASK = b"t1 resource ask"  # MAC: one peer asks another for a file, under the file's key
    RESOURCE_CHUNK = b"t1 resource part"  # hash: a sealed chunk of a file
    RESOURCE_STORE = b"t1 resource at"  # MAC: under which name a machine keeps a file, under the file's key
    RETOLD = b"t1 retold"  # HPKE and box: the context of events told again to one member
    REVEAL = b"t1 reveal"  # HPKE and box: the context of an identity shown to one member
    REVEAL_MAC = b"t1 reveal mac"  # MAC: a device speaks for a persona, under the DH of device and persona
    SAFETY_NUMBER = b"t1 safety number"  # hash: two lists of devices, as two people compare them
    STATE_CONTROL = b"t1 state control"  # hash: the control state, as an introduction names it
    STATE_HASH = b"t1 state hash"  # hash: control state and sums of all rooms
    WELCOME_FRAME = b"t1 welcome frame"  # KDF: the keys of the frames that carry a welcome
