"""The verbs that carry frames on a stick: carry export, carry import.

docs/spec/carrying.md, *On a stick*. Both work on a locked profile: a carry file is ciphertext and so is what is kept.
"""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tertulia.tui.cli.context import Context, plain
from tertulia.tui.duration import minutes
from tertulia.tui.guard import int_of

carry = App(name="carry", help="Frames on a stick: where there is no network.")

Hidden = Parameter(parse=False)
MINUTE_SECONDS = 60


def _whole(file: Path) -> str:
    """The path as the node sees it, which runs in another folder."""
    return str(file.absolute())


@carry.command
async def export(
    file: Path,
    /,
    *,
    since: str | None = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Write what this machine carries to a new file, as ciphertext.

    Parameters
    ----------
    file
        The file to make. It must not exist.
    since
        How far back: 7d, 12h or 30m. Everything kept if left out.

    """
    params: dict[str, str | int] = {"path": _whole(file)}
    if since is not None:
        params["since"] = max(0, int(time.time()) // MINUTE_SECONDS - minutes(since))
    async with context.node() as client:
        result = plain(await client.call("carry.export", **params))
    context.output.result(
        result, [f"{int_of(result, 'frames')} frames written. Whoever has the file can carry it, not read it."]
    )


@carry.command(name="import")
async def import_(file: Path, /, *, context: Annotated[Context, Hidden]) -> None:
    """Take in the frames of a file, from whomever it is.

    Parameters
    ----------
    file
        A file made by carry export.

    """
    async with context.node() as client:
        result = plain(await client.call("carry.import", path=_whole(file)))
    context.output.result(
        result,
        [
            f"New: {int_of(result, 'new')}. Known already: {int_of(result, 'known')}.",
            f"Not taken: {int_of(result, 'strange')} of other communities or damaged, {int_of(result, 'old')} too old.",
        ],
    )
