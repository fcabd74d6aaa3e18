"""Checking a published outcome: what it proves, and what it does not, in sentences.

Implements docs/spec/outcome.md, section Checking. The file's size is looked at before it is decoded, and what is
refused is refused in one sentence that says which part of it cannot be true.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tertulia.protocol.encoding import Value
from tertulia.protocol.errors import LocalError, Problem, RejectReason, RemoteError
from tertulia.protocol.outcome_record import LIMIT_PUBLISHED, Published, read_published
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.stance import Value as Stance
from tertulia.protocol.text import clean, clean_line

SAFE: Final = "Nothing was changed; do not rely on this file."
ASK: Final = "Ask whoever gave it to you for the file as “tertulia outcome export” wrote it."
WHY: Final = {
    RejectReason.SIZE: "This file is larger than any outcome can be.",
    RejectReason.VERSION: "This is no published outcome, or one of a later version.",
    RejectReason.ENCODING: "This file is damaged, or it is no published outcome.",
    RejectReason.SHAPE: "This file holds what no published outcome does.",
    RejectReason.KEY: "The rules that go along with this outcome name a key that cannot be one.",
    RejectReason.ID: "The rules that go along with this outcome are not those of its dialogue.",
    RejectReason.PROOF: "A signature is missing, or is not of these words: this outcome was altered or made up.",
}
UNPROVEN: Final = "Who said what in this dialogue, who was in it, and who drafted or objected cannot be proven."
NUMBERS: Final = 8
"""Digits of a key that are shown, in hex."""


def line(text: str) -> str:
    """What somebody wrote, on one line."""
    return clean_line(text, LIMIT_SAY_TEXT)


def read(path: Path) -> Published:
    """Read and check a file. Raises LocalError: three sentences, of which the first says what is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_PUBLISHED + 1)
    except OSError as failed:
        raise LocalError(
            Problem(f"The file cannot be read: {failed.strerror}.", "Nothing was changed.", "Check its name.")
        ) from failed
    try:
        return read_published(data)
    except RemoteError as refused:
        raise LocalError(Problem(WHY[refused.reason], SAFE, ASK)) from refused


def facts(published: Published) -> dict[str, Value]:
    """What a checked outcome says and proves, for scripts."""
    record, conclusion = published.record, published.record.conclusion
    return {
        "genuine": True,
        "dialogue": record.dialogue.hex(),
        "charter": record.preset,
        "binding": record.binding,
        "personal": record.personal,
        "simulation": record.simulation,
        "form": conclusion.form.value,
        "title": line(conclusion.title),
        "text": clean(conclusion.text, LIMIT_SAY_TEXT),
        "lang": line(conclusion.lang),
        "quorum": record.quorum,
        "sealed_by": [key.hex() for key, _ in published.seals],
        "founder": published.is_anchored,
        "on_record": [
            {
                "name": line(signed.on_record.name),
                "key": signed.key.hex(),
                "value": line(signed.value),
                "reason": clean(signed.reason, LIMIT_SAY_TEXT),
            }
            for signed in record.signed
        ],
        "unproven": UNPROVEN,
    }


def sentences(published: Published) -> list[str]:
    """The same for a person."""
    record, conclusion = published.record, published.record.conclusion
    form = "joint statement" if conclusion.joint else "note"
    seals = [key.hex()[:NUMBERS] for key, _ in published.seals]
    keys, number = ", ".join(seals), record.dialogue.hex()[:NUMBERS]
    found = [
        f"Genuine: the {form} “{line(conclusion.title)}” is as it was sealed, to the letter.",
        f"Dialogue {number}, sealed by {len(seals)} (the rules ask for {record.quorum}): {keys}",
        "Whoever founded the dialogue is one of them."
        if published.is_anchored
        else "Whose keys these are is not in the file: compare them with somebody of that dialogue.",
    ]
    if record.simulation:
        found.append("SIMULATION: all of it is an exercise.")
    for signed in record.signed:
        who = f"{line(signed.on_record.name)} ({signed.key.hex()[:NUMBERS]})"
        reason = f" has a reservation: {clean(signed.reason, LIMIT_SAY_TEXT)}"
        found.append(f"On the record: {who}{' endorsed it.' if signed.value == Stance.ENDORSE else reason}")
    if not record.signed:
        found.append("Nobody endorsed it on the record.")
    found.append("It binds who endorsed it." if record.binding else "It binds nobody.")
    return [*found, UNPROVEN]
