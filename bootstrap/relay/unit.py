"""The systemd unit that `relay init` writes: the relay as a service with as few rights as it can work with.

docs/guide/relay.md, *As a service*; systemd.exec(5). Invariants: the folder's owner, one folder it may write to, no
capability, no device, no other program's memory; what the kernel refuses ends the relay's call, never its folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

NAME: Final = "tertulia-relay"
_UNIT: Final = """\
# A Tertulia relay. Installed with:
#   sudo cp {name}.service /etc/systemd/system/ && sudo systemctl enable --now {name}
[Unit]
Description=Tertulia relay
After=network-online.target time-sync.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={python} -P -m tertulia.bootstrap.relay run --folder {folder}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
TimeoutStopSec=30
User={user}
ReadWritePaths={folder}
LimitNOFILE=65536
LimitCORE=0
MemoryMax=1G
TasksMax=64

AmbientCapabilities=
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=no
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome={home}
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def unit(folder: Path, python: str = sys.executable) -> str:
    """The unit's text for the relay in `folder`, run by whoever owns that folder (or the nearest there is above it)."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    at_home = any(str(one).startswith(("/home/", "/root/")) for one in (folder, Path(python)))
    return _UNIT.format(
        name=NAME,
        python=_quoted(Path(python)),
        folder=_quoted(folder),
        user=there.stat().st_uid,
        home="read-only" if at_home else "yes",
    )


def _quoted(path: Path) -> str:
    """A path as systemd reads it: quoted, and its specifiers and variables off."""
    text = str(path).replace("%", "%%").replace("$", "$$")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped != text or " " in text else text
