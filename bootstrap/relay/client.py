"""How a verb talks to the relay that runs: one call on its socket.

docs/spec/control.md (framing). Invariants: a call ends within `SECONDS`; where no relay runs it says so, and nothing is
done behind its back.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tertulia.bootstrap.relay import problems, say
from tertulia.bootstrap.relay.setting_edit import edit
from tertulia.protocol.control import Call, Failure, Result, encode_message, node_splitter
from tertulia.protocol.errors import LocalError, RemoteError

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.place import Place
    from tertulia.protocol.encoding import Value

SECONDS: Final = 15.0
READ_BYTES: Final = 64 * 1024
LIMIT_PATH: Final = 4_096


def call(place: Place, method: str, **params: Value) -> dict[str, Value]:
    """The relay's answer. Raises LocalError: what it said, that it does not run, or that it is silent."""
    place.require()
    try:
        path = Path(os.fsdecode(place.profile.socket_file.read_bytes()[:LIMIT_PATH].strip()))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(SECONDS)
            stream.connect(str(path))
            stream.sendall(encode_message(Call(1, method, params)))
            return _answer(stream)
    except (FileNotFoundError, ConnectionRefusedError) as absent:
        raise LocalError(problems.NOT_RUNNING) from absent
    except (OSError, RemoteError) as silent:
        raise LocalError(problems.SILENT) from silent


def change(place: Place, wanted: Mapping[str, str]) -> None:
    """Change settings: a relay that runs does it itself, at once; else the file is changed. Raises LocalError."""
    try:
        call(place, "set", **wanted)
    except LocalError as absent:
        if absent.problem is not problems.NOT_RUNNING:
            raise
        edit(place.config, wanted)
        say.aside("This relay is not running: the setting holds from its next start.")


def _answer(stream: socket.socket) -> dict[str, Value]:
    splitter = node_splitter()
    while data := stream.recv(READ_BYTES):
        for message in splitter.feed(data):
            match message:
                case Result(_, value):
                    return dict(value)
                case Failure(_, problem):
                    raise LocalError(problem)
                case _:
                    raise LocalError(problems.SILENT)
    raise LocalError(problems.SILENT)
