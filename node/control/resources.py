"""What a client may have a node do with a dialogue's files: add one, list them, fetch one.

docs/spec/resource.md, docs/spec/control.md. A file is written where the person says, never over another, and never
under a name that a peer chose without their having said so.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.control.params import Answer, Params, text
from tertulia.protocol import views, views_resources
from tertulia.protocol.crypto import KEY
from tertulia.protocol.errors import LocalError, Problem
from tertulia.protocol.inputs import Utter
from tertulia.protocol.refusal import refuse
from tertulia.protocol.resource import Resource

if TYPE_CHECKING:
    from tertulia.node.service import Service
    from tertulia.protocol.ids import DialogueId

UNKNOWN_MEDIA: Final = "application/octet-stream"
THERE: Final = Problem(
    "There is a file of that name already.", "It was not touched, and what was fetched is kept.", "Choose another name."
)
FALSE: Final = Problem(
    "This file is not what it was said to be: it does not open under its own key.",
    "Nothing was written.",
    "Ask whoever added it.",
)


class ResourceMethods:
    """The methods about files."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.all: dict[str, Callable[[Params], Awaitable[Answer]]] = {
            "resource.add": self._add,
            "resource.list": self._list,
            "resource.get": self._get,
        }

    def _dialogue(self, params: Params) -> DialogueId:
        return views.resolve_dialogue(self._service.core, text(params, "dialogue"))

    async def _add(self, params: Params) -> Answer:
        dialogue, path = self._dialogue(params), Path(text(params, "path"))
        name = views_resources.file_name(text(params, "name") if "name" in params else path.name)
        media = mimetypes.guess_type(name)[0] or UNKNOWN_MEDIA
        kept = self._service.resources
        async with kept.busy:
            made = await trio.to_thread.run_sync(kept.add, path, os.urandom(KEY), name, media)
            try:
                answer = await self._service.ask(Utter(dialogue, made))
            finally:
                await self._tidy()  # what nobody may hear of is not kept either
        return {**answer, "name": name, "size": made.size, "media": media}

    async def _list(self, params: Params) -> Answer:
        dialogue, core, kept = self._dialogue(params), self._service.core, self._service.resources
        rows = views_resources.resources(core, dialogue)
        known = {event.hex(): found for event, _author, found in views_resources.standing(core.dialogues[dialogue])}
        for row in rows:
            resource = known[str(row["id"])]
            lacking = await trio.to_thread.run_sync(kept.lacking, resource)
            row["here"] = 100 * (len(resource.chunks) - len(lacking)) // len(resource.chunks)
        return {"dialogue": dialogue.hex(), "resources": list(rows)}

    async def _get(self, params: Params) -> Answer:
        dialogue, core, kept = self._dialogue(params), self._service.core, self._service.resources
        event, resource = views_resources.resolve_resource(core, dialogue, text(params, "resource"))
        if event not in views_resources.live(core, dialogue):
            old = "This file is older than the dialogue keeps things."
            raise refuse(old, "Ask for it again.", "Nothing was fetched.")
        carried = self._service.carrying.get(core.dialogues[dialogue].commons)
        async with kept.busy:
            lacking = len(await trio.to_thread.run_sync(kept.lacking, resource))
            if lacking and carried is not None and carried.network.host is not None:
                lacking = await kept.fetch(resource, carried.network.host, carried.network.neighbours)
            if lacking:
                raise _unreached(resource, lacking)
            data = await trio.to_thread.run_sync(kept.whole, resource)
            if data is None:
                raise LocalError(FALSE)
            where, name = Path(text(params, "path")), views_resources.file_name(resource.name)
            path = await trio.to_thread.run_sync(_write, where, name, data)
            await self._tidy()
        return {"path": str(path), "size": resource.size}

    async def _tidy(self) -> None:
        core = self._service.core
        names = frozenset(
            resource.stored_as
            for dialogue in core.dialogues.values()
            for event, _author, resource in views_resources.standing(dialogue)
            if event in views_resources.live(core, dialogue.id)
        )
        await trio.to_thread.run_sync(self._service.resources.tidy, names)


def _unreached(resource: Resource, lacking: int) -> LocalError:
    total = len(resource.chunks)
    return refuse(
        f"{lacking} of {total} parts of this file are with nobody who is connected directly just now.",
        "Try again when whoever added it, or fetched it, is online and connected without a relay.",
        f"What came is kept: {total - lacking} parts need not be fetched again.",
    )


def _write(where: Path, name: str, data: bytes) -> Path:
    """Write a file that is not there yet, for its owner alone; under its own name in a folder. Raises LocalError."""
    path = where / name if where.is_dir() else where
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
    except FileExistsError as there:
        raise LocalError(THERE) from there
    except OSError as error:
        reason = (error.strerror or "the system gave no reason").lower()
        raise LocalError(
            Problem(f"{path} cannot be written: {reason}.", "What was fetched is kept.", "Choose another place.")
        ) from error
    return path
