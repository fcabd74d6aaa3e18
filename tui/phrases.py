"""Sentences the face builds from the node's rows: who sees this, what a leak proves, how things are, who is who.

PROTOCOL §5 (what a leaked copy proves), DESIGN §3 (the words of the screen). Pure; whatever a peer chose in a row is
stripped. A sentence that must fit a narrow screen has a short form that promises no more than the long one.
"""

from collections.abc import Mapping, Sequence

from tertulia.protocol.control import Row
from tertulia.tui.contact_words import identity_words
from tertulia.tui.guard import int_of, line_of, lines_of, rows_of
from tertulia.tui.relay_words import community_lines
from tertulia.tui.when import moment_of

Value = Mapping[str, object]

NARROW = 60
"""Columns below which sentences take their short form."""
FETCHING = "Some messages before this one are missing; your device asks the others for them."


def counted(number: int, word: str, words: str) -> str:
    """`1 person`, `3 people`."""
    return f"{number} {word if number == 1 else words}"


def holes(message: Value) -> list[str]:
    """What is missing right before a message, a sentence each: what is being fetched, and what is lost."""
    said = [FETCHING] if message.get("gap") else []
    if lost := int_of(message, "lost"):
        are, them = ("is", "it") if lost == 1 else ("are", "them")
        said.append(f"{counted(lost, 'message', 'messages')} before this {are} lost: nobody who is here has {them}.")
    return said


def expired(message: Value) -> str:
    """Why a message has no text any more; empty while it has one."""
    days = int_of(message, "expired")
    return f"its text was kept for {counted(days, 'day', 'days')}" if days else ""


def instead(message: Value, *, opened: bool = False) -> str:
    """What is shown in place of a message's text: it is gone, was taken back, or is folded and not `opened`."""
    if gone := expired(message):
        return gone
    if message.get("withdrawn"):
        return "withdrawn by its author; others may have read it"
    reason = line_of(message, "folded")
    return f"folded by the facilitators: {reason}" if reason and not opened else ""


def said_how(message: Value) -> list[str]:
    """How it was said, where not just so: its form, whose voice it enters, that it reads otherwise than at first."""
    form, lang, voice = line_of(message, "form"), line_of(message, "lang"), line_of(message, "voice")
    notes = [f"for {voice}"] if voice else [form] if form not in {"", "message", "scribe"} else []
    notes += [lang] if lang else []
    notes += ["folded"] if line_of(message, "folded") else []
    return [*notes, "edited"] if message.get("edited") else notes


def lacking(dialogue: Value) -> str:
    """How many messages of a dialogue are being fetched, and how many are lost; empty where it is whole."""
    missing, lost = int_of(dialogue, "missing"), int_of(dialogue, "lost")
    parts = [f"{counted(missing, 'message', 'messages')} missing: fetching"] if missing else []
    parts += [f"{counted(lost, 'message', 'messages')} lost"] if lost else []
    return " · ".join(parts)


def sending(message: Value) -> str:
    """Whether another machine holds one's own message."""
    if message.get("alone"):
        return "on this machine only: nobody else was here"
    return "sent" if message.get("state") == "sent" else "on this machine only"


def audience(people: int, width: int) -> str:
    """Who will see what is written here, and what a leaked copy of it would prove."""
    if people <= 1:
        return "Off the record. Nobody else is here yet: people who join later do not see this."
    if width < NARROW:
        return f"Off the record: {people} see your name. One leak proves nothing; seizures may."
    return (
        f"Off the record: the {people} people here see your name with this. One leaked copy proves nothing; "
        "several devices seized, or yours unlocked, are evidence."
    )


def clock_words(status: Value) -> str:
    """What a clock in doubt means and who may settle it; empty while it is believed."""
    clock = status.get("clock")
    if not isinstance(clock, Mapping) or not clock:
        return ""
    shows, known = moment_of(int_of(clock, "shows")), moment_of(int_of(clock, "known"))
    return (
        f"This machine's clock shows {shows}; when it was last sure, it was {known}. Until you or two neighbours "
        "confirm it, nothing is erased for its age."
    )


def status_words(status: Value, width: int) -> str:
    """The status line: reach, what is unsent, what keeps running."""
    if status.get("state") == "locked":
        return "Locked."
    commons = rows_of(status, "commons")
    narrow = width < NARROW
    errors = [error for row in commons if (error := line_of(row, "error"))]
    parts = [_reach_short(commons) if narrow else _reach(commons)]
    parts += ["trouble: /status"] if errors and narrow else errors
    if unsent := int_of(status, "unsent"):
        parts.append(f"{unsent} unsent" if narrow else f"{unsent} not sent yet")
    if clock_words(status):
        parts.append("clock? /clock" if narrow else "is the clock right? /clock")
    if status.get("keep") or status.get("resident"):
        parts.append("stays on" if narrow else "keeps receiving")
    return _fitted(parts, width - 2) if narrow else " · ".join(parts)


def _fitted(parts: list[str], room: int) -> str:
    """As many whole parts as one line holds, the first at least; “…” where there are more (/status says them all)."""
    for count in range(len(parts), 1, -1):
        line = " · ".join(parts[:count]) + (" …" if count < len(parts) else "")
        if len(line) <= room:
            return line
    return f"{parts[0]} …" if len(parts) > 1 else parts[0]


def relay_names(commons: Sequence[Value]) -> list[str]:
    """The relays that are connected with this machine, by the community's words for them."""
    rows = [relay for row in commons for relay in rows_of(row, "relays")]
    return sorted(line_of(relay, "name") for relay in rows if line_of(relay, "state") in {"fed", "connected"})


def _reach(commons: list[dict[str, object]]) -> str:
    if not commons:
        return "In no community yet"
    peers = sum(int_of(row, "peers") for row in commons)
    if peers == 0:
        return "Nobody reachable: what you write waits here, encrypted"
    direct = any(line_of(row, "reach") == "direct" and int_of(row, "peers") for row in commons)
    devices = counted(peers, "device", "devices")
    if direct:
        return f"{devices} connected, directly: your address is visible to them"
    names, near = relay_names(commons), sum(int_of(row, "nearby") for row in commons)
    here = f"{counted(near, 'device', 'devices')} on this network"
    if near:
        relayed = f"relayed by {' and '.join(names)}, and " if names else "no relay, but "
        return f"{relayed}{here}: they alone see your address"
    return f"relayed by {' and '.join(names)}: they alone see your address" if names else f"{devices} connected"


def _reach_short(commons: list[dict[str, object]]) -> str:
    if not commons:
        return "In no community"
    peers = sum(int_of(row, "peers") for row in commons)
    if peers == 0:
        return "Nobody reachable"
    bare = [row for row in commons if line_of(row, "reach") == "direct" or int_of(row, "nearby")]
    direct = any(int_of(row, "peers") for row in bare)
    return f"{peers} connected, see your address" if direct else f"{counted(peers, 'relay', 'relays')} see your address"


def community(row: Value) -> str:
    """What to call a community; its name comes with the inviter's card."""
    name = line_of(row, "name")
    return f"Community “{name}”" if name else "The community of your invite, its name not known yet"


def status_lines(status: Value) -> list[str]:
    """The status in full, a sentence a line."""
    lines = [line_of(status, "sentence")]
    for row in rows_of(status, "commons"):
        place = next(iter(lines_of(row, "addresses")), line_of(row, "address"))
        where = f" It listens here, at {place}." if row.get("listening") else ""
        devices = counted(int_of(row, "peers"), "device", "devices")
        lines.append(f"{community(row)}: {devices} connected.{where}")
        lines += community_lines(row)
    unsent = int_of(status, "unsent")
    lines.append(f"{unsent} not sent yet; kept here, encrypted." if unsent else "Nothing of yours waits to be sent.")
    lines.append(clock_words(status))
    if status.get("keep") or status.get("resident"):
        lines.append("It keeps receiving after you quit.")
    return [line for line in lines if line]


def member_words(row: Value, *, code: bool = True) -> tuple[str, str]:
    """A member's name, and their standing in words; with the code to compare while nobody has, unless left out."""
    notes = ["you"] if row.get("me") else []
    if row.get("facilitator"):
        notes.append("facilitator")
    if (status := line_of(row, "status")) and status != "in":
        notes.append(status)
    if not row.get("checked") and not row.get("me"):
        digits = line_of(row, "code") if code else ""
        notes.append(f"unchecked: compare {digits}" if digits else "unchecked")
    if known := identity_words(row):
        notes.append(known)
    if told_by := line_of(row, "told_by"):
        notes.append(f"as told by {told_by}")
    if row.get("forked"):
        notes.append("signed two different things under one number")
    return line_of(row, "nick"), ", ".join(notes)


def join_words(row: Value) -> str:
    """How one's own request to join stands."""
    if problem := line_of(row, "problem"):
        return problem
    inviter = line_of(row, "inviter") or "the inviter"
    match row.get("state"):
        case "admitted":
            return "Admitted."
        case "refused":
            return f"{inviter} did not let you in."
        case "looking":
            return "Looking for the community. Your device knocks once it is reachable; you can close this."
        case _:
            return f"Knocked. {inviter}'s device admits you when it is next online; you can close this."


def waiting_knocks(rows: Sequence[Row]) -> list[Row]:
    """The knocks nobody has answered yet."""
    return [row for row in rows if row.value.get("state") == "waiting"]


def join_title(row: Value) -> str:
    """What to call a dialogue one is not in yet."""
    return line_of(row, "title") or "An invite"


def knock_words(row: Value) -> str:
    """Who asks to join what."""
    return f"{line_of(row, 'nick')} asks to join “{line_of(row, 'title')}”"
