"""The second half: breakouts, a proposal that is amended, a cut, an outcome with its dissent, and what may leave."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tertulia.bootstrap.demo.needles import needles
from tertulia.bootstrap.demo.places import search_files
from tertulia.bootstrap.outcome import checking
from tertulia.bootstrap.story.cast import DIASPORA, EVERYBODY, FACILITATORS, FOUNDER, HOME, OFFICIALS, Cast
from tertulia.bootstrap.story.opening import matter
from tertulia.bootstrap.story.tale import Tale
from tertulia.protocol import views

PILOT: Final = "A pilot: fifty family visits by June."
AMENDED: Final = "A pilot: fifty family visits by June, and every refusal with its reason."
OBJECTION: Final = "A refusal without a reason helps nobody."
RESERVED: Final = "Fifty is too few for those who have waited longest."
QUOTAS: Final = "Between us: the quota could rise."
ENDORSING: Final = ("Selam", "Amina", "Hana")


async def breakouts(one: Cast, tale: Tale) -> None:
    """Two rooms with keys of their own; their rapporteurs report back."""
    tale.tell("Two breakouts, with keys of their own; then their rapporteurs report to the plenary.")
    rooms = (("Quotas", ("Klara", "Amina", "Selam")), ("Families", ("Lukas", "Hana", "Daniel")))
    for title, members in rooms:
        done = await one.ask(FOUNDER, "room.open", title=title, members=list(members), rapporteur=members[1])
        await one.cosigned(done)
    said = str((await one.ask("Klara", "say", text=QUOTAS, room="Quotas"))["id"])
    await one.all_hold(said, "Klara", "Amina", "Selam")
    for title, members in rooms:
        text = f"From {title}: we would begin with a pilot."
        await one.ask(members[1], "say", text=text, form="report", target=title)
        await one.agree()
    outside = [name for name in EVERYBODY if name not in rooms[0][1]]
    readers = [name for name in outside if QUOTAS in read_room(one, name)]
    tale.must("what was said in the breakout is readable to nobody outside it", not readers)
    tale.must("nor can they speak in it", await one.refused("Lukas", "say", text="And I?", room="Quotas"))
    tale.must("both reports are in the plenary", sum("we would begin" in text for text in one.read("Abel")) == 2)


def read_room(one: Cast, name: str) -> list[str]:
    """Everything somebody can read in any room but the plenary."""
    core = one.citizens[name].service.core
    rooms = core.dialogues[one.key].state.rooms
    return [str(row["text"]) for room in rooms for _, row in views.messages(core, one.key, apart=room)]


async def proposal(one: Cast, tale: Tale) -> str:
    """An objection with its reason leads to an amendment; then a cut, and everybody counts the same."""
    tale.tell("Klara proposes a pilot. Amina objects, with a reason; her amendment is taken; all take a stance; a cut.")
    pilot = str((await one.ask("Klara", "propose", title="Pilot", text=PILOT, lang="en"))["id"])
    await one.agree()
    bare = await one.refused("Amina", "stance", id=pilot, value="disagree")
    tale.must("who disagrees with a proposal says why", bare)
    await one.ask("Amina", "stance", id=pilot, value="disagree", reason=OBJECTION)
    amendment = str((await one.ask("Amina", "amend", id=pilot, text=AMENDED))["id"])
    await one.agree()
    await one.ask("Klara", "take", id=amendment)
    await one.agree()
    late = await one.refused("Lukas", "amend", id=pilot, text="Ten visits by June, no more than ten.")
    tale.must("an amendment to a version that moved is refused", late)
    for name in EVERYBODY:
        value, reason = ("disagree", RESERVED) if name == "Dawit" else ("agree", "")
        await one.ask(name, "stance", id=amendment, value=value, reason=reason)
    await one.agree()
    before = await matter(one, FOUNDER, amendment)
    tale.must("before the cut every tally says that it is provisional", before["provisional"])
    await one.act("cut", "We count.")
    rows = [await matter(one, name, amendment) for name in EVERYBODY]
    counts = {(row["agree"], row["disagree"]) for row in rows}
    tale.must("thirteen counts are equal: twelve to one", counts == {(12, 1)})
    tale.must("and final", not any(row["provisional"] for row in rows))
    tale.must("a vote after the cut is refused", await one.refused("Abel", "stance", id=amendment, value="pass"))
    return amendment


async def outcome(one: Cast, tale: Tale, agreed: str) -> Path:
    """It cannot be sealed while its dissent is missing; a stranger checks the file."""
    tale.tell("Selam drafts a joint statement. Three endorse it on the record; Dawit has a reservation.")
    cites: list[str] = [agreed]
    draft = await one.ask("Selam", "outcome.draft", title="A pilot", text=AMENDED, joint=True, lang="en", cites=cites)
    drafted = str(draft["id"])
    await one.agree()
    for name in ENDORSING:
        await one.ask(name, "outcome.endorse", id=drafted, name=f"{name} of Bridges")
        await one.agree()
    await one.ask("Dawit", "outcome.endorse", id=drafted, reserve=True, reason=RESERVED)
    await one.agree()
    why = await one.refused(FOUNDER, "outcome.seal", id=drafted, reason="Done.")
    tale.must("the seal is refused until the objection is answered or attached", why)
    rows = (await one.ask(FOUNDER, "outcome.list"))["outcomes"]
    for objection in rows[0]["against"]:
        await one.ask("Selam", "outcome.attach", id=drafted, objection=objection["id"])
        await one.agree()
    await one.cosigned(await one.ask(FOUNDER, "outcome.seal", id=drafted, reason="Done."))
    path = one.folder / "outcome"
    await one.ask(FOUNDER, "outcome.export", id=drafted, path=str(path))
    tale.tell("A stranger, with the file and nothing else, checks it.")
    published = checking.read(path)
    said = "\n".join(checking.sentences(published))
    tale.must("it is genuine", said.startswith("Genuine:"))
    tale.must("those three endorsed it on the record", all(f"{name} of Bridges" in said for name in ENDORSING))
    data = path.read_bytes()
    unnamed = [name for name in EVERYBODY if name not in ENDORSING and name.encode() in data]
    tale.must("nobody else is named in it, and no official", not unnamed)
    tale.must("Dawit's reservation goes along, in his words", RESERVED in said or RESERVED.encode() in data)
    tale.must("who said what cannot be proven, and it says so", "cannot be" in said or "not be proven" in said)
    return path


async def questions(one: Cast, tale: Tale) -> None:
    """A questionnaire whose counts are about nobody, and leave by consent."""
    tale.tell("A questionnaire; its counts leave the room only when the room agrees, and none below five.")
    asked = ["Were you heard? | yes | partly | no", "Would you come again? | yes | no"]
    survey = str((await one.ask("Omar", "survey", title="Afterwards", questions=list(asked)))["id"])
    await one.agree()
    for number, name in enumerate(EVERYBODY):
        choices: list[str] = ["1" if number < 7 else "2" if number < 12 else "3", "1" if number % 2 else "2"]
        await one.ask(name, "answer", id=survey, choices=list(choices))
    await one.agree()
    await one.act("cut", "We count the answers.")
    tale.must("no count leaves without the room's consent", await one.refused("Omar", "evaluation", id=survey))
    release = str((await one.ask("Omar", "release", id=survey, text="For the two cities."))["id"])
    await one.agree()
    for name in (*FACILITATORS, *DIASPORA, *HOME):
        await one.ask(name, "stance", id=release, value="agree")
    await one.agree()
    packs = [await one.ask(name, "evaluation", id=survey) for name in EVERYBODY]
    tale.must("thirteen machines computed one pack", len({str(pack) for pack in packs}) == 1)
    counts = [question["counts"] for question in packs[0]["questions"]]
    shown = [count for cells in counts for count in cells if count is not None]
    tale.must("no count in it is below five, and some are shown", shown and min(shown) >= 5)
    tale.must("nobody is in it", not any(name in str(packs[0]) for name in EVERYBODY))


async def relay(one: Cast, tale: Tale) -> None:
    """What Yusuf's relay holds."""
    tale.tell("What is on the disk of Yusuf's relay?")
    wanted = needles({"what was said": "\n".join(one.texts)})
    looked = search_files(wanted, one.relay)
    tale.must(f"none of {len(set(one.texts))} texts, in {looked.size // 1024} KiB", looked.size and not looked.found)
    planted = one.folder / "planted"
    planted.mkdir()
    (planted / "leak").write_bytes(b"\xff" + QUOTAS.encode() + b"\xff")
    tale.must("the same search finds a text that was planted", search_files(wanted, planted).found)
    await one.agree()
    tale.must("one state on thirteen machines at the end", len(one.states()) == 1)
    tale.must("the officials endorsed nothing", not any(name in OFFICIALS for name in ENDORSING))
