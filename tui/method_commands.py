"""The slash commands of the method: how each is written, and what it asks of the node.

docs/spec/control.md; research/dialogue.md. One table for the interface and the plain client. What is missing or wrong
is one sentence; the node judges the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.client import Params
from tertulia.tui.commands import Command
from tertulia.tui.duration import from_now, minutes


@dataclass(frozen=True, slots=True)
class Asking:
    """What a command asks: the node's method, its parameters besides the dialogue, and what to say when it is done."""

    method: str
    params: Params
    done: str


@dataclass(frozen=True, slots=True)
class _Form:
    """How a command is written after its name, what it does, and how it becomes a request."""

    written: str
    meaning: str
    make: Callable[[str], Asking | None]
    """None where something is missing."""


def _said(form: str) -> Callable[[str], Asking | None]:
    return lambda rest: Asking("say", {"text": rest, "form": form}, "Said.") if rest else None


def _about(form: str) -> Callable[[str], Asking | None]:
    def make(rest: str) -> Asking | None:
        target, text = _two(rest)
        return Asking("say", {"text": text, "form": form, "target": target}, "Said.") if text else None

    return make


def _translation(rest: str) -> Asking | None:
    target, more = _two(rest)
    lang, text = _two(more)
    params: Params = {"text": text, "form": "translation", "target": target, "lang": lang}
    return Asking("say", params, "Said.") if text else None


def _scribe(rest: str) -> Asking | None:
    voice, text = _titled(rest)
    return Asking("say", {"text": text, "form": "scribe", "voice": voice}, "Said.") if text else None


def _stance(value: str) -> Callable[[str], Asking | None]:
    def make(rest: str) -> Asking | None:
        target, reason = _two(rest)
        params: Params = {"id": target, "value": value, **({"reason": reason} if reason else {})}
        return Asking("stance", params, "Taken.") if target else None

    return make


def _proposed(form: str) -> Callable[[str], Asking | None]:
    def make(rest: str) -> Asking | None:
        title, text = _titled(rest)
        return Asking("propose", {"title": title, "text": text, "form": form}, "Proposed.") if text else None

    return make


def _action(rest: str) -> Asking | None:
    owner, more = _two(rest)
    span, said = _two(more)
    title, text = _titled(said)
    if not text:
        return None
    params: Params = {"title": title, "text": text, "form": "action", "owner": owner, "deadline": from_now(span)}
    return Asking("propose", params, "Proposed.")


def _text_of(method: str, done: str) -> Callable[[str], Asking | None]:
    def make(rest: str) -> Asking | None:
        target, text = _two(rest)
        return Asking(method, {"id": target, "text": text}, done) if text else None

    return make


def _only(method: str, done: str) -> Callable[[str], Asking | None]:
    return lambda rest: Asking(method, {"id": rest}, done) if rest else None


def _deed(deed: str, about: str = "") -> Callable[[str], Asking | None]:
    def make(rest: str) -> Asking | None:
        subject, reason = _two(rest) if about else ("", rest)
        params: Params = {"deed": deed, "reason": reason, **({about: subject} if about else {})}
        return Asking("act", params, "Done, or signed where others must sign it too.") if reason else None

    return make


def _round(rest: str) -> Asking | None:
    span, about = _two(rest)
    params: Params = {"deed": "round", "reason": about, "minutes": minutes(span)} if about else {}
    return Asking("act", params, "The round is open.") if about else None


def _two(rest: str) -> tuple[str, str]:
    """The first word, and what follows it."""
    first, _, more = rest.strip().partition(" ")
    return first, more.strip()


def _titled(rest: str) -> tuple[str, str]:
    """What stands before the first colon, and after it."""
    title, _, text = rest.partition(":")
    return title.strip(), text.strip()


_FORMS: Mapping[str, _Form] = {
    "statement": _Form("TEXT", "state one thought, to agree with or not", _said("statement")),
    "story": _Form("TEXT", "tell something, to be heard and asked about", _said("story")),
    "question": _Form("TEXT", "ask something", _said("question")),
    "ask": _Form("ID TEXT", "ask about something said", _about("question")),
    "reply": _Form("ID TEXT", "answer something said", _about("reply")),
    "translate": _Form("ID LANGUAGE TEXT", "render something in another language", _translation),
    "source": _Form("ID TEXT", "say where something can be looked up", _about("source")),
    "correct": _Form("ID TEXT", "set something right", _about("correction")),
    "scribe": _Form("NAME: TEXT", "enter the words of somebody beside you, who agrees to it", _scribe),
    "edit": _Form("ID TEXT", "say otherwise what you said", _text_of("edit", "Edited.")),
    "withdraw": _Form("ID", "take back what you said or proposed", _only("withdraw", "Withdrawn.")),
    "propose": _Form("TITLE: TEXT", "propose something to decide", _proposed("proposal")),
    "amend": _Form("ID TEXT", "put another text for a proposal", _text_of("amend", "Put.")),
    "take": _Form("ID", "take an amendment to your proposal", _only("take", "Taken.")),
    "action": _Form("NAME 14d TITLE: TEXT", "propose something to do, by whom, until when", _action),
    "agenda": _Form("TITLE: TEXT", "propose something to talk about", _proposed("agenda")),
    "agree": _Form("ID", "agree", _stance("agree")),
    "disagree": _Form("ID REASON", "disagree", _stance("disagree")),
    "pass": _Form("ID", "pass", _stance("pass")),
    "block": _Form("ID REASON", "block a proposal", _stance("block")),
    "heard": _Form("ID", "say that you have heard a story", _stance("heard")),
    "doubt": _Form("ID", "ask for a source", _stance("needs-source")),
    "floor": _Form("[ABOUT]", "ask for the floor", lambda rest: Asking("floor", {"text": rest}, "Asked.")),
    "round": _Form("72h ABOUT", "open a round: everybody speaks once", _round),
    "end": _Form("REASON", "end the round", _deed("end")),
    "give": _Form("NAME REASON", "give somebody the floor", _deed("give", "member")),
    "fix": _Form("ID REASON", "put a proposed item on the agenda", _deed("fix", "message")),
    "pause": _Form("REASON", "pause the room", _deed("pause")),
    "resume": _Form("REASON", "resume the room", _deed("resume")),
    "mute": _Form("NAME REASON", "mute somebody", _deed("mute", "member")),
    "unmute": _Form("NAME REASON", "let somebody speak again", _deed("unmute", "member")),
    "fold": _Form("ID REASON", "fold a message", _deed("fold", "message")),
    "unfold": _Form("ID REASON", "unfold a message", _deed("unfold", "message")),
}
IN_ROOMS = {"say", "propose", "act"}
"""Methods that are told the room; what is about something said goes where that was said."""
METHOD_COMMANDS = (
    Command("matters", "", "statements, stories, proposals, and where people stand"),
    Command("proceedings", "", "the round, the agenda, who asks for the floor"),
    Command("rules", "", "the rules of this dialogue; /rules accept accepts them"),
    Command("history", "", "what something said was before: /history ID"),
    *(Command(name, "", f"{form.meaning}: /{name} {form.written}") for name, form in _FORMS.items()),
)


def asking(name: str, rest: str) -> Asking | None:
    """What a command asks of the node; None where it is none of these.

    Raises: LocalError when something is missing.
    """
    form = _FORMS.get(name)
    if form is None:
        return None
    found = form.make(rest.strip())
    if found is None:
        raise LocalError(
            Problem(f"Something is missing after /{name}.", "Nothing was sent.", f"Write: /{name} {form.written}")
        )
    return found
