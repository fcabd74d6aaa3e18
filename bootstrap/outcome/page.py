"""A checked outcome on one page: Markdown, in its own language and in those it was translated to.

docs/guide/concluding.md. What people wrote is cleaned and escaped, so that a page shows words and nothing else: no
link, no picture, no heading of theirs. Nothing is on it that is not in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Final

from tertulia.bootstrap.outcome.checking import NUMBERS, UNPROVEN, line
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.stance import Value
from tertulia.protocol.text import clean

if TYPE_CHECKING:
    from tertulia.protocol.outcome_record import Cited, Published, Record

SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:@])")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LIMIT_DAY: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH).days


def markdown(published: Published) -> str:
    """The page of a checked outcome."""
    return "\n\n".join(_parts(published)) + "\n"


def _parts(published: Published) -> Iterator[str]:
    record, conclusion = published.record, published.record.conclusion
    yield f"# {_line(conclusion.title)}"
    if record.simulation:
        yield "**SIMULATION: all of it is an exercise.**"
    yield f"*{_kind(record)} {_day(record.day)}.*"
    yield _words(conclusion.text)
    for words in record.translations:
        yield f"## {_line(words.lang)}"
        yield _words(words.text)
    if record.cited:
        yield "## What it rests on"
        yield "\n\n".join(_cited(cited) for cited in record.cited)
    if record.dissent or record.minorities:
        yield "## What goes along with it"
        for dissent in record.dissent:
            answers = (f"Answer: {_line(answer)}" for answer in dissent.answers)
            yield "\n\n".join([f"> {_line(dissent.reason)}", *answers])
        for words in record.minorities:
            yield f"Some of those who were there: {_words(words.text)}"
    yield "## On the record"
    yield "\n".join(
        f"- {_line(signed.on_record.name)} ({signed.key.hex()[:NUMBERS]})"
        + ("" if signed.value == Value.ENDORSE else f", with a reservation: {_line(signed.reason)}")
        for signed in record.signed
    ) or "Nobody endorsed it on the record."
    keys = ", ".join(key.hex()[:NUMBERS] for key, _ in published.seals)
    yield (
        f"*Dialogue {record.dialogue.hex()[:NUMBERS]}, sealed by {keys}. {UNPROVEN} "
        "Whoever has the file can check it: tertulia check FILE.*"
    )


def _kind(record: Record) -> str:
    form = "Joint statement" if record.conclusion.joint else "Note"
    capacity = ", in a personal capacity" if record.personal else ""
    return f"{form}{capacity}. It binds {'who endorsed it' if record.binding else 'nobody'}. Drafted on"


def _cited(cited: Cited) -> str:
    title = f"**{_line(cited.title)}**" if cited.title else ""
    words = " ".join(filter(None, (title, _line(cited.text))))
    agree, disagree, passed, block = cited.counts
    count = f" ({agree} agree, {disagree} disagree, {passed} pass, {block} block)" if cited.counted else ""
    owner = f" {_line(cited.owner)} does it." if cited.owner else ""
    until = f" By {_day(cited.deadline // (24 * 60))}." if cited.deadline else ""
    return f"{words}{count}{owner}{until}"


def _day(day: int) -> str:
    return (EPOCH + timedelta(days=min(day, LIMIT_DAY))).date().isoformat()


def _line(text: str) -> str:
    return _plain(line(text))


def _words(text: str) -> str:
    paragraphs = (one.strip() for one in clean(text, LIMIT_SAY_TEXT).split("\n"))
    return "\n\n".join(_plain(one) for one in paragraphs if one)


def _plain(text: str) -> str:
    """Words that stay words, in Markdown and in the HTML that is made of it."""
    return SPECIAL.sub(r"\\\1", escape(text, quote=False))
