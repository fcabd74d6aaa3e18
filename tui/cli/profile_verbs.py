"""The verbs about this machine's own node and profile: init, status, unlock, lock, node, stop.

Issue 2, point 2; docs/spec/control.md. `lock` and `stop` never start a node; `node` stays in the foreground. A
passphrase never appears in what these verbs print.
"""

import asyncio
import signal
import subprocess
import time
from typing import Annotated, Literal

from cyclopts import Parameter

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Client
from tertulia.tui.guard import int_of, line_of, rows_of
from tertulia.tui.launch import find_node, node_arguments
from tertulia.tui.phrases import clock_words, community

Hidden = Parameter(parse=False)
Flag = Parameter(negative=())
UNASKED = Problem("Nothing was destroyed.", "Everything is as it was.", "Say it in advance: tertulia panic --yes")


async def init(
    *,
    nick: str,
    kdf_mib: Annotated[int | None, Parameter(show_default=False)] = None,
    kdf_ops: Annotated[int | None, Parameter(show_default=False)] = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Make yourself known on this machine: a nickname and a passphrase.

    Parameters
    ----------
    nick
        What people you invite will see. Nobody else sees it.
    kdf_mib
        Memory that one guess of the passphrase costs, in MiB. Lower it for tests only.
    kdf_ops
        Passes over that memory.

    """
    async with context.node() as client:
        status = await client.call("status")
        if status.get("state") != "new":
            raise LocalError(
                Problem(
                    error=f"The profile “{context.profile.name}” already has somebody in it.",
                    safe="Nothing was changed.",
                    next="Go on with it, or choose another with --profile NAME.",
                )
            )
        chosen = ask.passphrase(context.passphrase_file, twice=True)
        cost = {name: value for name, value in (("kdf_mib", kdf_mib), ("kdf_ops", kdf_ops)) if value is not None}
        result = plain(await client.call("init", nick=nick, passphrase=chosen, **cost))
    kdf = result.get("kdf")
    cost_words = f" Each guess costs {int_of(kdf, 'mib')} MiB." if isinstance(kdf, dict) else ""
    context.output.result(
        result,
        [
            f"You are “{line_of(result, 'nick')}” on this machine: only people you invite see it.{cost_words}",
            "The passphrase is nowhere but in your head: without it nobody can open this profile, you included.",
            "Next: tertulia join INVITE, or tertulia commons new NAME.",
        ],
    )


async def status(*, context: Annotated[Context, Hidden]) -> None:
    """Say how things are, in words."""
    async with context.node() as client:
        result = plain(await client.call("status"))
    lines = [line_of(result, "sentence")]
    for commons in rows_of(result, "commons"):
        peers = int_of(commons, "peers")
        reach = f"{peers} {'device' if peers == 1 else 'devices'} connected" if peers else "nobody connected"
        lines.append(f"{community(commons)}: {reach}; reach {line_of(commons, 'reach') or 'none'}.")
        lines += [f"  Relay {line_of(one, 'name')}: {line_of(one, 'state')}." for one in rows_of(commons, "relays")]
        lines += [f"  {words}" for told in ("sees", "switched", "error") if (words := line_of(commons, told))]
    if unsent := int_of(result, "unsent"):
        lines.append(f"{unsent} not sent yet: kept here, encrypted.")
    if words := clock_words(result):
        lines.append(words)
    context.output.result(result, lines)


async def unlock(*, keep: Annotated[bool, Flag] = False, context: Annotated[Context, Hidden]) -> None:
    """Open the profile with its passphrase.

    Parameters
    ----------
    keep
        Keep receiving: the node stays unlocked and running after this verb, until `lock` or `stop`.

    """
    async with context.node() as client:
        state = (await client.call("status")).get("state")
        if state == "unlocked":
            if keep:
                await client.call("keep", on=True)
        elif state == "locked":
            await client.call("unlock", passphrase=ask.passphrase(context.passphrase_file), keep=keep)
        else:
            await context.unlock(client)
        after = await client.call("status")
    stays = bool(after.get("keep")) or bool(after.get("resident"))
    sentence = (
        "Unlocked. It keeps receiving until you lock or stop it."
        if stays
        else "The passphrase is right. The node locks again now, because nothing keeps it: use unlock --keep."
    )
    context.output.result({"state": "unlocked" if stays else "locked", "keep": bool(after.get("keep"))}, [sentence])


async def clock(
    confirm: Literal["confirm"] | None = None, /, *, context: Annotated[Context, Hidden]
) -> None:
    """Say whether this machine's clock is in doubt; with `confirm`, that it is right.

    Parameters
    ----------
    confirm
        The clock is right: what is past its time may be erased.

    """
    async with context.unlocked() as client:
        if confirm is not None:
            await client.call("clock.confirm")
        status = plain(await client.call("status"))
    words = clock_words(status) or "This machine's clock is not in doubt."
    context.output.result({"clock": status.get("clock")}, [words])


async def lock(*, context: Annotated[Context, Hidden]) -> None:
    """Lock the profile: the running node forgets its keys."""
    client = await find_node(context.profile)
    if client is None:
        context.output.result({"state": "locked"}, ["Locked: no node is running."])
        return
    try:
        result = plain(await client.call("lock"))
    finally:
        await client.close()
    context.output.result(result, ["Locked. What this machine keeps for others stays encrypted."])


async def panic(*, yes: Annotated[bool, Flag] = False, context: Annotated[Context, Hidden]) -> None:
    """Destroy this profile for ever, at once and without its passphrase: nobody can open it again, you included.

    Parameters
    ----------
    yes
        Do not ask.

    """
    if not yes and ask.one_line("Everything of this profile is lost for ever. Type destroy: ", UNASKED) != "destroy":
        raise LocalError(Problem("Nothing was destroyed.", "Everything is as it was.", "Type the word destroy."))
    async with context.node() as client:
        result = plain(await client.call("panic"))
    await _until_free(context)
    gone = "Destroyed: no passphrase opens this profile any more. What others hold of your words stays with them."
    context.output.result(result, [gone])


async def stop(*, context: Annotated[Context, Hidden]) -> None:
    """Lock and end the running node."""
    client = await find_node(context.profile)
    if client is None:
        context.output.result({"state": "stopped"}, ["No node is running."])
        return
    try:
        result = plain(await client.call("stop"))
    finally:
        await client.close()
    await _until_free(context)
    context.output.result(result, ["Stopped: locked, and nothing of it is running any more."])


async def _until_free(context: Context, seconds: float = 10.0) -> None:
    """Wait until the ending node has let go of the profile, so that the next verb finds it free."""
    deadline = time.monotonic() + seconds
    while context.profile.is_held() and time.monotonic() < deadline:  # noqa: ASYNC110  (a file lock has no event)
        await asyncio.sleep(0.02)


async def node(*, context: Annotated[Context, Hidden]) -> int:
    """Run the node here, in the foreground, until it is stopped (Ctrl+C or `tertulia stop`).

    It is locked until another verb unlocks it, or at once with --passphrase-file.
    """
    if (running := await find_node(context.profile)) is not None:
        await running.close()
        raise LocalError(
            Problem(
                error="A node of this profile is already running.",
                safe="It goes on undisturbed.",
                next="Stop it first (tertulia stop), or choose another profile.",
            )
        )
    context.profile.make_folder()
    process = subprocess.Popen(  # noqa: ASYNC220  (starting takes a millisecond, and nothing else waits)
        node_arguments(context.profile, resident=True), stdin=subprocess.DEVNULL
    )
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, process.send_signal, signal.SIGTERM)
    try:
        client = await _attach_to(context, process)
        if client is not None:
            try:
                if context.passphrase_file is not None:
                    await context.unlock(client)
                state = (await client.call("status")).get("state")
            finally:
                await client.close()
            words = "unlocked" if state == "unlocked" else "locked until you run “tertulia unlock” elsewhere"
            context.output.result({"state": state}, [f"The node of “{context.profile.name}” runs here; it is {words}."])
        return await asyncio.to_thread(process.wait)
    finally:
        if process.poll() is None:
            process.terminate()
            await asyncio.to_thread(process.wait)


async def _attach_to(context: Context, process: "subprocess.Popen[bytes]") -> Client | None:
    """A client of the node just started here, or None when it has already ended."""
    while process.poll() is None:
        client = await find_node(context.profile)
        if client is not None:
            return client
        await asyncio.sleep(0.02)
    return None
