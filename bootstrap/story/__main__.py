"""`python -m tertulia.bootstrap.story`: tell the acceptance story and say what held; `make story`.

Exit code 0 only if everything held. The last line is `{"must_hold": N, "held": N, "seconds": S}`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import trio

from tertulia.bootstrap.story import concluding, opening
from tertulia.bootstrap.story.cast import cast
from tertulia.bootstrap.story.tale import Tale
from tertulia.node.redaction import NodeLog


async def tell(folder: Path) -> Tale:
    """The whole story, with its profiles in this folder."""
    tale = Tale()
    async with cast(folder) as one:
        for scene in (opening.rules, opening.door, opening.check_in, opening.story, opening.doubt):
            await scene(one, tale)
        await concluding.breakouts(one, tale)
        agreed = await concluding.proposal(one, tale)
        await concluding.outcome(one, tale, agreed)
        await concluding.questions(one, tale)
        await concluding.relay(one, tale)
    return tale


def main() -> int:
    """Tell it; 0 if everything held."""
    with tempfile.TemporaryDirectory(prefix="tertulia-story-") as folder, NodeLog(Path(folder) / "log"):
        tale = trio.run(tell, Path(folder))
    return 0 if tale.end() else 1


if __name__ == "__main__":
    sys.exit(main())
