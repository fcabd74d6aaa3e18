"""The record of a sealed outcome: what may be published of it, as everybody who holds its room makes it.

Implements docs/spec/outcome.md. No name is in it but of those who put theirs on the record; nothing says who proposed,
objected or drafted. Those who sealed it sign these very bytes with their personas; a stranger reads them with
`read_published`, without a profile, and treats them as hostile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.charter import LIMIT_CHARTER, LIMIT_PRESET, LIMIT_QUORUM, LIMIT_TITLE, Charter, dialogue_id
from tertulia.protocol.charter import charter_hash as hash_of
from tertulia.protocol.crypto import KEY, PROOF, verify
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import DialogueId, RoomId
from tertulia.protocol.labels import Label
from tertulia.protocol.on_record import OnRecord, Place, words_hash
from tertulia.protocol.outcome import LIMIT_CITED, LIMIT_OUTCOME_BODY, Conclusion, decode_outcome
from tertulia.protocol.prekey import LIMIT_MINUTE
from tertulia.protocol.room import LIMIT_FORM
from tertulia.protocol.say import LIMIT_LANGUAGE, LIMIT_SAY_TEXT, sized
from tertulia.protocol.shape import as_bool, as_bytes, as_id, as_int, as_list, as_text, wrong
from tertulia.protocol.stance import LIMIT_REASON

RECORD_VERSION: Final = 1
MAGIC: Final = b"tertulia outcome 1\n"
"""How a published outcome begins."""
LIMIT_RECORD: Final = 1024 * 1024
"""Bytes of a record."""
LIMIT_PUBLISHED: Final = LIMIT_RECORD + 64 * 1024
"""Bytes of a published outcome: its record, the rules and the signatures."""
LIMIT_DISSENT: Final = 256
"""Objections, minority statements, translations and answers in a record, each."""
LIMIT_SIGNED: Final = 64
"""People who sign a record, or are on the record in it."""
LIMIT_PEOPLE: Final = 2**16


@dataclass(frozen=True, slots=True)
class Cited:
    """What an outcome rests on. `counts` agree, disagree, pass and block, all 0 unless `counted` by a cut.

    Of an action: its owner as they sign on the record or empty, deadline and review in minutes; else 0.
    """

    what: str
    title: str = field(repr=False)
    text: str = field(repr=False)
    lang: str
    counted: bool
    counts: tuple[int, int, int, int]
    owner: str = field(repr=False, default="")
    deadline: int = 0
    review: int = 0

    def to_value(self) -> Value:
        """`[what, title, text, lang, counted, [agree, disagree, pass, block], owner, deadline, review]`."""
        words: list[Value] = [self.what, self.title, self.text, self.lang, self.counted, list(self.counts)]
        return [*words, self.owner, self.deadline, self.review]

    @classmethod
    def from_value(cls, value: Value) -> Cited:
        """Read what `to_value` gives. Raises RemoteError: SHAPE, SIZE."""
        what, title, text, lang, counted, counts, owner, deadline, review = as_list(value, 9)
        agree, disagree, passed, block = (as_int(count, 0, LIMIT_PEOPLE) for count in as_list(counts, 4))
        return cls(
            as_text(what, LIMIT_FORM),
            as_text(title, LIMIT_TITLE),
            sized(text, LIMIT_SAY_TEXT),
            as_text(lang, LIMIT_LANGUAGE),
            as_bool(counted),
            (agree, disagree, passed, block),
            as_text(owner, LIMIT_TITLE),
            as_int(deadline, 0, LIMIT_MINUTE),
            as_int(review, 0, LIMIT_MINUTE),
        )


@dataclass(frozen=True, slots=True)
class Dissent:
    """An objection that goes along, in the words it was put in, and those that answered it; nobody's name."""

    value: str
    reason: str = field(repr=False)
    answers: tuple[str, ...] = field(repr=False)

    def to_value(self) -> Value:
        """`[value, reason, [answer, …]]`."""
        return [self.value, self.reason, self.answers]

    @classmethod
    def from_value(cls, value: Value) -> Dissent:
        """Read what `to_value` gives. Raises RemoteError: SHAPE, SIZE."""
        name, reason, answers = as_list(value, 3)
        words = tuple(sized(answer, LIMIT_SAY_TEXT) for answer in as_list(answers, most=LIMIT_DISSENT))
        return cls(as_text(name, LIMIT_FORM), sized(reason, LIMIT_REASON), words)


@dataclass(frozen=True, slots=True)
class Worded:
    """A minority statement, or the outcome in another language."""

    lang: str
    text: str = field(repr=False)

    def to_value(self) -> Value:
        """`[lang, text]`."""
        return [self.lang, self.text]

    @classmethod
    def from_value(cls, value: Value) -> Worded:
        """Read what `to_value` gives. Raises RemoteError: SHAPE, SIZE."""
        lang, text = as_list(value, 2)
        return cls(as_text(lang, LIMIT_LANGUAGE), sized(text, LIMIT_SAY_TEXT))


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody on the record: their persona's key, whether they endorse or have a reservation, and how they sign."""

    key: bytes
    value: str
    reason: str = field(repr=False)
    on_record: OnRecord

    def to_value(self) -> Value:
        """`[key, value, reason, [act id, counter, name, signature]]`."""
        return [self.key, self.value, self.reason, self.on_record.to_value()]

    @classmethod
    def from_value(cls, value: Value) -> Signed:
        """Read what `to_value` gives. Raises RemoteError: SHAPE, SIZE."""
        key, name, reason, signed = as_list(value, 4)
        said = as_text(name, LIMIT_FORM)
        return cls(as_bytes(key, KEY), said, sized(reason, LIMIT_REASON), OnRecord.from_value(signed))


@dataclass(frozen=True, slots=True)
class Record:
    """All that is published. `day`: days since 1970 that its drafter claims; `personal`, `binding` and `simulation` as
    the charter has them.
    """

    dialogue: DialogueId
    room: RoomId
    charter_hash: bytes
    preset: str
    quorum: int
    personal: bool
    binding: bool
    simulation: bool
    day: int
    conclusion: Conclusion
    cited: tuple[Cited, ...] = ()
    dissent: tuple[Dissent, ...] = ()
    minorities: tuple[Worded, ...] = ()
    translations: tuple[Worded, ...] = ()
    signed: tuple[Signed, ...] = ()

    @property
    def place(self) -> Place:
        """Where people are on the record about these words."""
        words = words_hash(self.dialogue, self.charter_hash, self.conclusion.encode())
        return Place(self.dialogue, self.room, self.charter_hash, words)

    def encode(self) -> bytes:
        """CBOR, the same for everybody: what those who seal it sign."""
        rules: list[Value] = [self.preset, self.quorum, self.personal, self.binding, self.simulation]
        return encode([
            RECORD_VERSION,
            self.dialogue,
            self.room,
            self.charter_hash,
            rules,
            self.day,
            self.conclusion.encode(),
            [cited.to_value() for cited in self.cited],
            [dissent.to_value() for dissent in self.dissent],
            [words.to_value() for words in self.minorities],
            [words.to_value() for words in self.translations],
            [signed.to_value() for signed in self.signed],
        ])  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Read a record. Raises RemoteError: SIZE, ENCODING, VERSION, SHAPE."""
        version, *fields = as_list(decode(data, LIMIT_RECORD), most=32) or [0]
        if as_int(version, 0, LIMIT_MINUTE) != RECORD_VERSION:
            raise RemoteError(RejectReason.VERSION, "outcome")
        dialogue, room, charter, rules, day, body, cited, dissent, minorities, translations, signed = as_list(
            fields, 11
        )
        preset, quorum, personal, binding, simulation = as_list(rules, 5)
        conclusion = decode_outcome(as_bytes(body, most=LIMIT_OUTCOME_BODY))
        if not isinstance(conclusion, Conclusion):
            raise wrong("no outcome")
        return cls(
            DialogueId(as_id(dialogue)),
            RoomId(as_id(room)),
            as_id(charter),
            as_text(preset, LIMIT_PRESET),
            as_int(quorum, 1, LIMIT_QUORUM),
            as_bool(personal),
            as_bool(binding),
            as_bool(simulation),
            as_int(day, 0, LIMIT_MINUTE),
            conclusion,
            tuple(Cited.from_value(entry) for entry in as_list(cited, most=LIMIT_CITED)),
            tuple(Dissent.from_value(entry) for entry in as_list(dissent, most=LIMIT_DISSENT)),
            tuple(Worded.from_value(entry) for entry in as_list(minorities, most=LIMIT_DISSENT)),
            tuple(Worded.from_value(entry) for entry in as_list(translations, most=LIMIT_DISSENT)),
            tuple(Signed.from_value(entry) for entry in as_list(signed, most=LIMIT_SIGNED)),
        )


@dataclass(frozen=True, slots=True)
class Published:
    """A record with the signatures of those who sealed it, by key, and the charter's body where that goes along."""

    record: Record
    seals: tuple[tuple[bytes, bytes], ...]
    charter: Charter | None

    @property
    def is_anchored(self) -> bool:
        """Whether whoever founded the dialogue sealed it: the dialogue's very name bears witness to that key."""
        return self.charter is not None and self.charter.founder.keys.sign in dict(self.seals)


def publish(record: Record, seals: dict[bytes, bytes], charter_body: bytes | None) -> bytes:
    """The file: MAGIC and CBOR `[record, [[key, signature], …] by key, charter body or null]`."""
    signatures: list[Value] = [[key, seals[key]] for key in sorted(seals)]
    return MAGIC + encode([record.encode(), signatures, charter_body])


def read_published(data: bytes) -> Published:
    """Read and verify a published outcome.

    Raises RemoteError: SIZE, ENCODING, VERSION, SHAPE, KEY; PROOF where a signature is not its key's, or fewer sealed
    it than its rules ask for; ID where the rules that go along are not those of the dialogue.
    """
    if len(data) > LIMIT_PUBLISHED:
        raise RemoteError(RejectReason.SIZE, "outcome")
    if not data.startswith(MAGIC):
        raise RemoteError(RejectReason.VERSION, "outcome")
    raw, signatures, rules = as_list(decode(data[len(MAGIC) :], LIMIT_PUBLISHED), 3)
    body = as_bytes(raw, most=LIMIT_RECORD)
    record = Record.decode(body)
    pairs = [as_list(pair, 2) for pair in as_list(signatures, most=LIMIT_SIGNED)]
    seals = tuple((as_bytes(key, KEY), as_bytes(signature, PROOF)) for key, signature in pairs)
    keys = [key for key, _ in seals]
    if keys != sorted(set(keys)):
        raise wrong("keys not in order")
    if len(seals) < record.quorum:
        raise RemoteError(RejectReason.PROOF, "seals")
    if not all(verify(key, Label.OUTCOME_RECORD, body, signature) for key, signature in seals):
        raise RemoteError(RejectReason.PROOF, "seal")
    for signed in record.signed:
        if not signed.on_record.is_by(signed.key, record.place, signed.value, signed.reason):
            raise RemoteError(RejectReason.PROOF, "on the record")
    return Published(record, seals, None if rules is None else _charter(record, as_bytes(rules, most=LIMIT_CHARTER)))


def _charter(record: Record, body: bytes) -> Charter:
    charter = Charter.decode(body)
    same = dialogue_id(body) == record.dialogue and hash_of(body) == record.charter_hash
    if not same or rules_of(charter) != _rules(record):
        raise RemoteError(RejectReason.ID, "charter")
    return charter


def rules_of(charter: Charter) -> tuple[str, int, bool, bool, bool]:
    """What a record says of the rules: preset, quorum, personal, binding, simulation."""
    terms = charter.terms
    return charter.preset, charter.quorum, terms.personal, terms.binding, terms.simulation


def _rules(record: Record) -> tuple[str, int, bool, bool, bool]:
    return record.preset, record.quorum, record.personal, record.binding, record.simulation
