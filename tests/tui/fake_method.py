"""What the imitated node says of the method: matters, rounds and histories as a test sets them."""

from __future__ import annotations

from tertulia.protocol.control import LocalError, Problem

MATTER = {
    "id": "ab" * 32, "what": "proposal", "author": "Ruth", "member": "aa" * 32, "title": "A pilot",
    "text": "Fifty visits by June.", "lang": "", "time": 1_795_000_000_000, "about": "", "edited": False,
    "withdrawn": False, "mine": "", "hidden": True, "cut": "", "provisional": True, "agree": 0, "disagree": 0,
    "pass": 0, "block": 0, "heard": 0, "needs_source": 0, "disputed": 0, "beside": [], "versions": ["ab" * 32],
    "objector": "", "objection": "", "owner": "", "deadline": 0, "review": 0,
}  # fmt: skip
ROUND = {
    "round": "cd" * 32, "about": "Check-in", "opens": 1_795_000_000_000, "closes": 1_795_200_000_000, "open": True,
    "spoken": ["Ruth"], "awaited": ["Ana", "Omar"], "turn": True,
}  # fmt: skip


class FakeMethod:
    """Methods of docs/spec/control.md about what is put, stood to and run."""

    def __init__(self) -> None:
        self.matters: list[dict] = []
        self.rounds: list[dict] = []
        self.versions: list[dict] = []
        self.paused = False

    def do_proceedings(self, dialogue: str) -> dict:
        return {
            "dialogue": dialogue, "closed": False, "paused": self.paused, "muted": [], "floor": [], "item": "",
            "rounds": self.rounds, "queue": [], "agenda": [],
        }  # fmt: skip

    def do_matters(self, dialogue: str) -> dict:
        return {"dialogue": dialogue, "provisional": bool(self.matters), "matters": self.matters}

    def do_history(self, dialogue: str, id: str) -> dict:  # noqa: A002
        return {"dialogue": dialogue, "id": id, "versions": self.versions}

    def do_stance(self, dialogue: str, id: str, value: str, reason: str = "") -> dict:  # noqa: A002
        row = next(row for row in self.matters if row["id"].startswith(id))
        row.update({"mine": value, "hidden": False, value: row[value] + 1})
        if reason:
            row.update({"objector": "Ana", "objection": reason})
        return {"id": "99" * 32, "state": "stored"}

    def do_propose(self, dialogue: str, title: str, text: str, **more: object) -> dict:
        self.matters.append({**MATTER, "id": "ef" * 32, "title": title, "text": text, "author": "Ana"})
        return {"id": "ef" * 32, "state": "stored"}

    def do_floor(self, dialogue: str, text: str = "") -> dict:
        raise LocalError(Problem("The facilitators have muted you here.", "Nothing was sent.", "Write to one of them."))
