"""The verbs about files: resource add, list, get.

docs/spec/resource.md. A file goes to nobody until they ask for it; what it says of its author goes along, and the verb
says so. It is written where the person says, never over another.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Params
from tertulia.tui.guard import int_of, line_of, rows_of
from tertulia.tui.when import moment_of

Hidden = Parameter(parse=False)

resource = App(name="resource", help="Files of a dialogue: fetched from whoever has them, when somebody wants them.")
METADATA = (
    "Nothing was taken out of it: what the file itself says of its author, place and device, its people can read."
)
KIB = 1024


def size_of(size: int) -> str:
    """A size as a person says it."""
    if size < KIB:
        return f"{size} bytes"
    return f"{size / KIB:.1f} KiB" if size < KIB * KIB else f"{size / KIB / KIB:.1f} MiB"


@resource.command
async def add(
    dialogue: str, file: Path, /, *, name: str | None = None, context: Annotated[Context, Hidden]
) -> None:
    """Add a file of at most 64 MiB to a dialogue; its people fetch it when they want it.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    file
        The file on this machine.
    name
        What its people see; the file's own name unless said.

    """
    called: Params = {} if name is None else {"name": name}
    async with context.unlocked() as client:
        result = plain(await client.call("resource.add", dialogue=dialogue, path=_absolute(file), **called))
        context.output.aside(METADATA)
        size = size_of(int_of(result, "size"))
        said = f"Added {line_of(result, 'name')}, {size}. It can be fetched while you are here."
        await context.deliver(client, result, said, {"dialogue": dialogue})


@resource.command(name="list")
async def list_(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """List the files of a dialogue.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("resource.list", dialogue=dialogue))
    lines = [
        f"{line_of(row, 'id')[:8]}  {line_of(row, 'name')}  {size_of(int_of(row, 'size'))}  by {line_of(row, 'author')}"
        f" · {moment_of(int_of(row, 'time'))} · {_here(int_of(row, 'here'))}"
        for row in rows_of(result, "resources")
    ]
    context.output.result(result, lines or ["There are no files in this dialogue."])


def _absolute(path: Path) -> str:
    """Where that is for the node, which stands elsewhere."""
    return str(path.absolute())


def _here(hundredths: int) -> str:
    return {0: "not here", 100: "here"}.get(hundredths, f"{hundredths} % here")


@resource.command
async def get(dialogue: str, file: str, to: Path = Path(), /, *, context: Annotated[Context, Hidden]) -> None:
    """Fetch a file and write it, never over another; what came before a break is not fetched again.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    file
        Its name, or the beginning of its id.
    to
        A folder, or the name to write it under; this folder unless said.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("resource.get", dialogue=dialogue, resource=file, path=_absolute(to)))
    said = f"Written to {line_of(result, 'path')}, {size_of(int_of(result, 'size'))}."
    context.output.result(result, [said, "Open it only if you trust whoever added it."])
