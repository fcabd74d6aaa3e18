"""Resources: files that a dialogue's people fetch from each other when they want them, never gossiped.

Implements docs/spec/resource.md. The event says what the file is and names its sealed chunks by their hashes, under a
key of its own; the chunks themselves are anybody's to keep and nobody's to read. Who asks for some proves that they
know the key, to one peer at a time, so that others cannot tell who wants the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.crypto import KEY, NONCE, SEAL, digest, keyed, seal, unseal
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import ID
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_bytes, as_int, as_list, as_text, wrong

RESOURCE_PROTOCOL: Final = "/tertulia/resource/1"
CHUNK: Final = 128 * 1024
"""Bytes of a file in one chunk; the last may have fewer."""
SEALED_CHUNK: Final = CHUNK + SEAL
"""Bytes of a sealed chunk."""
LIMIT_RESOURCE: Final = 64 * 1024 * 1024
"""Bytes of one file."""
LIMIT_CHUNKS: Final = LIMIT_RESOURCE // CHUNK
"""Chunks of one file."""
LIMIT_RESOURCE_NAME: Final = 120
"""Characters of a file's name."""
LIMIT_MEDIA: Final = 100
"""Characters of a media type."""
LIMIT_RESOURCE_BODY: Final = LIMIT_CHUNKS * (ID + 2) + 1_024
"""Bytes of the body of a resource event."""
LIMIT_ASK: Final = 128
"""Bytes of a request for chunks."""
LIMIT_ASKED_CHUNKS: Final = 16
"""Chunks that one request asks for."""


@dataclass(frozen=True, slots=True)
class Resource:
    """`size` in bytes; `chunks` are the hashes of the sealed chunks in their order."""

    name: str
    media: str
    size: int
    key: bytes = field(repr=False)
    chunks: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        """CBOR `[name, media type, size, key, [hash, …]]`."""
        return encode([self.name, self.media, self.size, self.key, list(self.chunks)])

    @property
    def stored_as(self) -> bytes:
        """The 16 bytes by which a machine finds what it keeps of this file; they say nothing to who lacks the key."""
        return keyed(Label.RESOURCE_STORE, self.key, b"".join(self.chunks), 16)

    def tag(self, asker: bytes, asked: bytes) -> bytes:
        """The 32 bytes by which one peer asks another for it; both are the PeerIds' raw keys or texts."""
        return keyed(Label.RESOURCE_ASK, self.key, encode([asker, asked, self.stored_as]))

    def length(self, index: int) -> int:
        """Bytes of this chunk, sealed."""
        return min(CHUNK, self.size - index * CHUNK) + SEAL

    def is_chunk(self, index: int, sealed: bytes) -> bool:
        """Say whether this is the sealed chunk that the event names."""
        return index < len(self.chunks) and chunk_hash(sealed) == self.chunks[index]

    def open(self, index: int, sealed: bytes) -> bytes | None:
        """The bytes of a chunk; None where its author sealed something else than they should have."""
        return unseal(self.key, _nonce(index), sealed, b"")


def decode_resource(body: bytes) -> Resource:
    """Read the body of a resource event.

    Raises RemoteError: SIZE, ENCODING, SHAPE; SHAPE too for as many chunks as the size does not have.
    """
    name, media, size, key, chunks = as_list(decode(body, LIMIT_RESOURCE_BODY), 5)
    found = Resource(
        as_text(name, LIMIT_RESOURCE_NAME),
        as_text(media, LIMIT_MEDIA),
        as_int(size, 1, LIMIT_RESOURCE),
        as_bytes(key, KEY),
        tuple(as_bytes(one, ID) for one in as_list(chunks, most=LIMIT_CHUNKS)),
    )
    if len(found.chunks) != -(-found.size // CHUNK):
        raise wrong("chunks of another file")
    return found


def chunk_hash(sealed: bytes) -> bytes:
    """H of a sealed chunk."""
    return digest(Label.RESOURCE_CHUNK, sealed)


def seal_chunks(data: bytes, key: bytes) -> Iterator[bytes]:
    """The sealed chunks of a file, in order; `key` is fresh, 32 random bytes: each nonce is used once under it."""
    for index in range(-(-len(data) // CHUNK)):
        yield seal(key, _nonce(index), data[index * CHUNK : (index + 1) * CHUNK], b"")


def _nonce(index: int) -> bytes:
    return index.to_bytes(NONCE, "big")


@dataclass(frozen=True, slots=True)
class AskChunks:
    """One peer asks another for `count` chunks from `first` on, of what `tag` says to who knows the key."""

    tag: bytes = field(repr=False)
    first: int
    count: int

    def encode(self) -> bytes:
        """CBOR `[tag, first, count]`."""
        return encode([self.tag, self.first, self.count])

    @classmethod
    def decode(cls, message: bytes) -> AskChunks:
        """Read `[tag, first, count]`. Raises RemoteError: SIZE, ENCODING, SHAPE."""
        tag, first, count = as_list(decode(message, LIMIT_ASK), 3)
        asked = cls(as_bytes(tag, ID), as_int(first, 0, LIMIT_CHUNKS - 1), as_int(count, 1, LIMIT_ASKED_CHUNKS))
        if asked.first + asked.count > LIMIT_CHUNKS:
            raise RemoteError(RejectReason.LIMIT, "chunks")
        return asked
