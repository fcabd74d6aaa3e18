"""The first half of the story: the rules, the door, everybody once, a story, a doubt, a fold."""

from __future__ import annotations

from typing import Any, Final

import trio

from tertulia.bootstrap.story.cast import EVERYBODY, FACILITATORS, FOUNDER, PASSPHRASE, Cast, start_relay
from tertulia.bootstrap.story.tale import Tale

TITLE: Final = "Visas and family visits"
CHEAP: Final = {"kdf_mib": 8, "kdf_ops": 1}
"""What the key derivation of these profiles costs: as little as it may."""
STORY: Final = "ኣዴይ ሰለስተ ዓመት ንቪዛ ተጸብያ።"
TRANSLATION: Final = "My mother waited three years for a visa."
CLAIM: Final = "Nine of ten refusals give no reason at all."
CHECK_IN: Final = "Say in one sentence why you are here."
AWAY: Final = "Daniel"


async def rules(one: Cast, tale: Tale) -> None:
    """Ruth founds the dialogue; Yusuf runs the relay; its card says who sees what."""
    tale.tell("Ruth founds “Visas and family visits”, Track 1.5: officials and citizens, each in a personal capacity.")
    ruth = await one.come(FOUNDER)
    await ruth.call("init", {"nick": FOUNDER, "passphrase": PASSPHRASE, **CHEAP})
    await ruth.call("commons.new", {"name": "Bridges", "listen": "/ip4/127.0.0.1/tcp/0"})
    ticket = str((await ruth.call("commons.ticket"))["ticket"])
    address = await start_relay(one, ticket)
    await ruth.call("commons.relays.add", {"address": address, "words": "Yusuf"})
    made = await ruth.call(
        "dialogue.new", {"title": TITLE, "track": "1.5", "languages": ["en", "ti"], "keep": 30}
    )
    one.talk = str(made["dialogue"])
    card = " ".join((await one.ask(FOUNDER, "charter"))["rules"])
    tale.must("the card says: members see names, a leaked copy proves nothing", "A leaked copy proves nothing." in card)
    tale.must("the card says: an outcome binds nobody", "An outcome binds nobody." in card)

    def line() -> Any:
        status: Any = ruth.methods.status()
        return status["commons"][0]

    await one.until(lambda: [relay["state"] for relay in line()["relays"]] == ["fed"])
    alone = line()["reach"] == "relayed" and not line()["listening"]
    tale.must("Ruth speaks through Yusuf's relay alone, and her machine listens nowhere", alone)


async def door(one: Cast, tale: Tale) -> None:
    """Omar comes first and facilitates too; then eleven more. Nobody speaks before they have accepted the rules."""
    tale.tell("Omar comes first: he facilitates too. Then eleven more knock, are let in, read the rules, and accept.")
    founder, second = FACILITATORS
    invite = str((await one.ask(founder, "invite", uses=len(EVERYBODY)))["invite"])
    early = await _enter(one, invite, second)
    await one.cosigned(await one.ask(founder, "role", member=second, facilitator=True))
    early += await _enter(one, invite, *EVERYBODY[2:])
    tale.must("nobody says a word before they have accepted", all(early) and len(early) == len(EVERYBODY) - 1)
    tale.must("thirteen people, one state on thirteen machines", len(one.citizens) == 13 and len(one.states()) == 1)


async def _enter(one: Cast, invite: str, *names: str) -> list[str]:
    """These people join and accept the rules; with what they were refused when they spoke before that."""
    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(_join, one, name, invite)
        await one.admit(len(names))
    early = [await one.refused(name, "say", text="May I begin?") for name in names]
    for name in names:
        await one.ask(name, "accept")
    await one.agree()
    return early


async def _join(one: Cast, name: str, invite: str) -> None:
    citizen = await one.come(name)
    await citizen.call("init", {"nick": name, "passphrase": PASSPHRASE, **CHEAP})
    await citizen.call("join", {"invite": invite})
    await one.until(lambda: one.key in citizen.service.core.dialogues, name)


async def check_in(one: Cast, tale: Tale) -> None:
    """A round: everybody once, and Daniel's machine is off."""
    tale.tell("Daniel's machine is off. The facilitators open a round of three days: everybody once.")
    await one.go(AWAY)
    await one.act("round", CHECK_IN, minutes=3 * 24 * 60)
    for name in EVERYBODY:
        if name != AWAY:
            await one.ask(name, "say", text=f"{name} is here because of family.")
    await one.agree()
    tale.must("who has spoken is heard no second time", await one.refused("Selam", "say", text="And another thing."))
    (now,) = (await one.ask(FOUNDER, "proceedings"))["rounds"]
    tale.must("the round is open, and waits for Daniel alone", now["open"] and now["awaited"] == [AWAY])


async def story(one: Cast, tale: Tale) -> None:
    """A story is heard, never judged."""
    tale.tell("Daniel is back and takes his turn. Then Selam tells a story in Tigrinya; Amina renders it in English.")
    await one.back(AWAY)
    await one.until(lambda: sum("because of family" in text for text in one.read(AWAY)) == 12, AWAY)
    await one.ask(AWAY, "say", text="Daniel is here because of his sister.")
    await one.agree()
    tale.must("he lost no turn by being away, and all have one state", len(one.states()) == 1)
    await one.act("end", "All have spoken.")
    told = str((await one.ask("Selam", "say", text=STORY, form="story", lang="ti"))["id"])
    await one.agree()
    await one.ask("Amina", "say", text=TRANSLATION, form="translation", target=told, lang="en")
    for name in EVERYBODY:
        if name != "Selam":
            await one.ask(name, "stance", id=told, value="heard")
    await one.agree()
    tale.must("voting on a story is impossible", await one.refused("Lukas", "stance", id=told, value="disagree"))
    row = await matter(one, "Klara", told)
    tale.must("twelve have heard it", row["heard"] == 12)
    tale.must("the translation stands beside it, under Amina's name", len(row["beside"]) == 1)


async def doubt(one: Cast, tale: Tale) -> None:
    """A claim needs a source and gets one; an insult is folded by two, with a reason."""
    tale.tell("Yonas claims something; Amina asks for a source; Klara gives one. Then somebody is insulted.")
    claim = str((await one.ask("Yonas", "say", text=CLAIM, form="statement", lang="en"))["id"])
    await one.agree()
    await one.ask("Amina", "stance", id=claim, value="needs-source")
    await one.ask("Klara", "say", text="Annual report, page 41, table 3.", form="source", target=claim)
    await one.agree()
    await one.agree()
    row = await matter(one, "Lukas", claim)
    tale.must("the claim is marked, and its source stands beside it", row["needs_source"] == 1 and row["beside"])
    await one.ask("Lukas", "stance", id=claim, value="disagree", reason="Most give one, in a letter.")
    await one.ask("Hana", "stance", id=claim, value="agree")
    await one.agree()
    tale.must("others' stances are hidden until one's own", (await matter(one, "Sara", claim))["hidden"])
    seen = await matter(one, "Lukas", claim)
    tale.must("the objection stands beside it", seen["objection"] == "Most give one, in a letter.")
    insult = str((await one.ask("Dawit", "say", text="You officials are all liars here."))["id"])
    await one.agree()
    fold = await one.ask(FOUNDER, "act", deed="fold", reason="An insult; say it to the matter.", message=insult)
    tale.must("one facilitator alone folds nothing", fold["state"] == "pending")
    await one.cosigned(fold)
    logs = {str([row | {"signed": None} for row in (await one.ask(name, "acts"))["acts"]]) for name in EVERYBODY}
    tale.must("the log of what facilitators did is the same on every machine", len(logs) == 1)


async def matter(one: Cast, name: str, event: str) -> dict[str, Any]:
    """How somebody sees a matter."""
    rows = (await one.ask(name, "matters"))["matters"]
    (row,) = (row for row in rows if row["id"] == event)
    return dict(row)
