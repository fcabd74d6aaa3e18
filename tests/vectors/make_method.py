"""Make method.json: known answers to docs/spec/events.md: Say, Revise, Propose, Stance, Outcome; Act of cuts and seals.

Written from the spec's words with cbor2 alone: nothing of Tertulia is imported, so that the vectors judge it. Each body
stands with what it must be read as: `read`, `unread` (of a later version) or `malformed`.

    python tests/vectors/make_method.py
"""

import json
from hashlib import shake_128, shake_256
from pathlib import Path

import cbor2

SAY, REVISE, PROPOSE, STANCE, OUTCOME, ACT = 4, 5, 6, 7, 8, 10
MINUTE = 29_655_000


def some(name):
    return shake_256(name.encode()).digest(32)


STATEMENT, STORY, PROPOSAL, AMENDMENT, SELAM = map(some, ("statement", "story", "proposal", "amendment", "Selam"))
ROOM = some("room")
HEADS = sorted(some(f"head {number}") for number in range(33))


def total(*events):
    """The sum of a room."""
    shares = (int.from_bytes(shake_128(event).digest(256), "big") for event in events)
    return (sum(shares) % 2**2048).to_bytes(256, "big")


def cut(*upto):
    return [10, ROOM, b"", "We count.", 0, 0, *upto]

READ = [
    ("message", SAY, ["message", "Selam!", "ti", None]),
    ("answer", SAY, ["message", "Hello", "", STATEMENT]),
    ("statement", SAY, ["statement", "Visas take too long.", "en", None]),
    ("statement, longest", SAY, ["statement", "é" * 512, "", None]),
    ("story", SAY, ["story", "My grandmother waited.", "", None]),
    ("question", SAY, ["question", "For how long?", "", STORY]),
    ("question about nothing", SAY, ["question", "Who decides?", "", None]),
    ("reply", SAY, ["reply", "They do not.", "", STATEMENT]),
    ("translation", SAY, ["translation", "Les visas prennent trop de temps.", "fr", STATEMENT]),
    ("source", SAY, ["source", "Annual report, page 7", "", STATEMENT]),
    ("correction", SAY, ["correction", "Not all of them.", "", STATEMENT]),
    ("scribe", SAY, ["scribe", "I agree.", "", None, "Daniel"]),
    ("automated", SAY, ["automated", "Three days are left.", "", None]),
    ("report", SAY, ["report", "We ask for fifty visits.", "en", some("breakout")]),
    ("edit", REVISE, [1, STATEMENT, 1, "Visas take long."]),
    ("withdrawal", REVISE, [2, STATEMENT, 2**32 - 1]),
    ("proposal", PROPOSE, ["proposal", "A pilot", "Fifty visits by June.", "en", MINUTE]),
    ("amendment", PROPOSE, ["amendment", PROPOSAL, "Sixty visits by June.", "en"]),
    ("taken", PROPOSE, ["take", AMENDMENT]),
    ("action", PROPOSE, ["action", "Write the form", "", "", SELAM, MINUTE, 0]),
    ("agenda item", PROPOSE, ["agenda", "Family visits", "", "", 20]),
    ("asking for the floor", PROPOSE, ["floor", "On visas", "en"]),
    ("asking for the floor, no more", PROPOSE, ["floor", "", ""]),
    *(
        (value, STANCE, [STATEMENT, value, ""])
        for value in (
            *("agree", "disagree", "pass", "block", "heard", "needs-source", "disputed", "satisfied"),
            *("endorse", "reserve"),
        )
    ),
    ("reason", STANCE, [PROPOSAL, "disagree", "June is too soon."]),
    ("reason, longest", STANCE, [PROPOSAL, "block", "x" * 2048]),
    ("on the record", STANCE, [PROPOSAL, "endorse", "", [bytes(16), 1, "Selam", bytes(64)]]),
    ("note", OUTCOME, ["note", "A note", "Fifty visits.", "en", []]),
    ("joint statement", OUTCOME, ["joint", "What we agreed", "é" * 4096, "", sorted([STATEMENT, PROPOSAL])]),
    ("minority statement", OUTCOME, ["minority", STATEMENT, "We would have waited.", ""]),
    ("answer", OUTCOME, ["answer", STORY, "July, then.", "en"]),
    ("attached", OUTCOME, ["attach", STATEMENT, STORY]),
    ("a seal", ACT, [15, ROOM, STATEMENT, "Done.", 0, 0, [HEADS[:1], total(HEADS[0]), 1], bytes(64)]),
    ("survey", PROPOSE, ["survey", "After", "For ourselves.", "en", [["Were you heard?", ["yes", "partly", "no"]]]]),
    ("survey, largest", PROPOSE, ["survey", "All", "", "", [["?" * 256, [f"{n}" * 80 for n in range(8)]]] * 16]),
    ("release", PROPOSE, ["release", STATEMENT, some("pack"), "To the city.", "en"]),
    ("answers", STANCE, [STATEMENT, "answers", [2]]),
    ("answers, most", STANCE, [STATEMENT, "answers", [0, 8] * 8]),
    ("a cut", ACT, cut([HEADS[:2], total(*HEADS[:2], STATEMENT), 3])),
    ("a cut, most heads", ACT, cut([HEADS[:32], total(*HEADS), 33])),
]
UNREAD = [
    ("a later form", SAY, ["poem", "Roses"]),
    ("a later revision", REVISE, [3, "anything"]),
    ("a later motion", PROPOSE, ["lottery", 1]),
    ("a later value", STANCE, [STATEMENT, "mostly", 70]),
    ("a later outcome", OUTCOME, ["standard", 1]),
]
MALFORMED = [
    ("no form", SAY, []),
    ("a reply to nothing", SAY, ["reply", "So?", "", None]),
    ("a statement that answers", SAY, ["statement", "So.", "", STATEMENT]),
    ("a translation into nothing", SAY, ["translation", "Oui", "", STATEMENT]),
    ("a scribe of nobody", SAY, ["scribe", "I agree.", "", None, ""]),
    ("a message with a voice", SAY, ["message", "I agree.", "", None, "Daniel"]),
    ("a statement too long", SAY, ["statement", "é" * 512 + "x", "", None]),
    ("no op", REVISE, []),
    ("counter 0", REVISE, [2, STATEMENT, 0]),
    ("counter too high", REVISE, [2, STATEMENT, 2**32]),
    ("an edit too long", REVISE, [1, STATEMENT, 1, "x" * 8193]),
    ("no motion", PROPOSE, []),
    ("no title", PROPOSE, ["proposal", "", "Fifty", "", 0]),
    ("a title too long", PROPOSE, ["agenda", "x" * 81, "", "", 0]),
    ("a proposal with more", PROPOSE, ["proposal", "A pilot", "Fifty", "", 0, 1]),
    ("an owner who is none", PROPOSE, ["action", "Write", "", "", b"Selam", 0, 0]),
    ("asking for the floor at length", PROPOSE, ["floor", "x" * 513, ""]),
    ("no value", STANCE, [STATEMENT]),
    ("no reason at all", STANCE, [STATEMENT, "agree"]),
    ("a reason too long", STANCE, [STATEMENT, "agree", "x" * 2049]),
    ("a reason that is bytes", STANCE, [STATEMENT, "agree", b"why"]),
    ("on the record by nobody", STANCE, [PROPOSAL, "endorse", "", [bytes(16), 1, " ", bytes(64)]]),
    ("on the record, counter 0", STANCE, [PROPOSAL, "endorse", "", [bytes(16), 0, "Selam", bytes(64)]]),
    ("on the record twice", STANCE, [PROPOSAL, "endorse", "", *[[bytes(16), 1, "Selam", bytes(64)]] * 2]),
    ("no outcome form", OUTCOME, []),
    ("a note without a title", OUTCOME, ["note", " ", "Fifty visits.", "en", []]),
    ("a note without words", OUTCOME, ["note", "A note", " ", "en", []]),
    ("a note that rests on one thing twice", OUTCOME, ["note", "A note", "Fifty.", "", [STORY, STORY]]),
    ("a note that rests on too much", OUTCOME, ["note", "A note", "Fifty.", "", HEADS]),
    ("a joint statement too long", OUTCOME, ["joint", "A", "x" * 8193, "", []]),
    ("a minority of nobody", OUTCOME, ["minority", b"x", "We would have waited.", ""]),
    ("attached to nothing", OUTCOME, ["attach", STATEMENT]),
    ("a seal unsigned", ACT, [15, ROOM, STATEMENT, "Done.", 0, 0, [HEADS[:1], total(HEADS[0]), 1]]),
    ("a seal of nothing", ACT, [15, ROOM, b"", "Done.", 0, 0, [HEADS[:1], total(HEADS[0]), 1], bytes(64)]),
    ("a survey of nothing", PROPOSE, ["survey", "After", "", "", []]),
    ("a survey without a title", PROPOSE, ["survey", "", "", "", [["Heard?", ["yes", "no"]]]]),
    ("a survey too long", PROPOSE, ["survey", "After", "", "", [["Heard?", ["yes", "no"]]] * 17]),
    ("a question without words", PROPOSE, ["survey", "After", "", "", [["", ["yes", "no"]]]]),
    ("a question with one option", PROPOSE, ["survey", "After", "", "", [["Heard?", ["yes"]]]]),
    ("a question with nine options", PROPOSE, ["survey", "After", "", "", [["Heard?", list("abcdefghi")]]]),
    ("an option twice", PROPOSE, ["survey", "After", "", "", [["Heard?", ["yes", "yes"]]]]),
    ("an empty option", PROPOSE, ["survey", "After", "", "", [["Heard?", ["yes", ""]]]]),
    ("a release of no pack", PROPOSE, ["release", STATEMENT, b"", "", ""]),
    ("no answers", STANCE, [STATEMENT, "answers", []]),
    ("too many answers", STANCE, [STATEMENT, "answers", [1] * 17]),
    ("a ninth option", STANCE, [STATEMENT, "answers", [9]]),
    ("a cut of nothing", ACT, cut([[], total(), 0])),
    ("a cut up to nowhere", ACT, cut()),
    ("a cut with too many heads", ACT, cut([HEADS, total(*HEADS), 33])),
    ("a cut whose heads are out of order", ACT, cut([HEADS[1::-1], total(*HEADS[:2]), 2])),
    ("a cut with a short sum", ACT, cut([HEADS[:1], bytes(32), 1])),
    ("a pause up to somewhere", ACT, [1, *cut([HEADS[:1], total(HEADS[0]), 1])[1:]]),
]


def main():
    told = [
        {"name": name, "kind": kind, "body": cbor2.dumps(fields, canonical=True).hex(), "is": found}
        for found, rows in (("read", READ), ("unread", UNREAD), ("malformed", MALFORMED))
        for name, kind, fields in rows
    ]
    text = json.dumps({"bodies": told}, indent=1, ensure_ascii=False) + "\n"
    Path(__file__).with_name("method.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
