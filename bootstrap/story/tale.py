"""The tale: plain lines for a reader, and the count of what must hold."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tertulia.bootstrap.demo.screen import Screen


@dataclass(slots=True)
class Tale:
    """What was told so far; `broken` is what did not hold."""

    screen: Screen = field(default_factory=Screen)
    must_hold: int = 0
    broken: list[str] = field(default_factory=list)

    def tell(self, line: str) -> None:
        """Tell what happens."""
        self.screen.line(line)

    def must(self, what: str, holds: object) -> None:
        """Say whether something holds that must."""
        self.must_hold += 1
        if not holds:
            self.broken.append(what)
        self.screen.line(f"    {'holds' if holds else 'BROKEN'}: {what}")

    def end(self) -> bool:
        """The last line; whether all held."""
        found = {
            "must_hold": self.must_hold,
            "held": self.must_hold - len(self.broken),
            "seconds": round(self.screen.seconds, 1),
        }
        self.screen.last(json.dumps(found))
        return not self.broken
