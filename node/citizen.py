"""A whole citizen's node in this process, for programs: the profile held, the service running, its methods at hand.

DESIGN.md §2. The node's own process, the demo and the tests start nodes this way, several in one process if they like;
the control socket is only one caller of `call`. Invariant: when the block ends the node has locked and let go of all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.clock import Clock, wall_clock
from tertulia.node.config import Config, load
from tertulia.node.control.methods import Methods
from tertulia.node.profile import Profile
from tertulia.node.service import Service
from tertulia.protocol.encoding import Value

if TYPE_CHECKING:
    from tertulia.node.nearby import Seeker
    from tertulia.node.network import Tap

NONE: Final[Mapping[str, Value]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Citizen:
    """A running node."""

    profile: Profile
    service: Service
    methods: Methods

    async def call(self, method: str, params: Mapping[str, Value] = NONE) -> dict[str, Value]:
        """What a client's call does. Raises LocalError."""
        return await self.methods.call(method, params)


@asynccontextmanager
async def open_citizen(
    folder: Path,
    config: Config | None = None,
    *,
    resident: bool = True,
    clock: Clock = wall_clock,
    tap: Tap | None = None,
    seeker: Seeker | None = None,
) -> AsyncIterator[Citizen]:
    """Hold the profile in `folder` (made if it is not there) and run its node for as long as the block lasts.

    `tap` is called with every decrypted payload received from a peer; `seeker` is what looks for members on the local
    network, where the citizen switches that on. Raises LocalError: ProfileBusy, ProfileOpen,
    ConfigWrong, StoreError. The block's own errors pass unchanged.
    """
    profile = Profile(folder)
    profile.prepare()
    failure: Exception | None = None
    with profile.lock():
        service = Service(profile, load(profile.config) if config is None else config, clock, tap=tap, seeker=seeker)
        citizen = Citizen(profile, service, Methods(service, resident=resident))
        async with trio.open_nursery() as nursery:
            try:
                await nursery.start(service.run)
                yield citizen
            except Exception as error:  # noqa: BLE001 - carried round the nursery, which would wrap it in a group
                failure = error
            finally:
                nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
