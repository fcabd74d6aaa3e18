"""The relay: every community it serves, and what its operator may change while it runs.

docs/guide/relay.md, DESIGN.md §5 (only an archive, no passphrase). Invariants: what is allowed, banned and drained is
on the disk before it is done; each community has its own host, key and port; nothing here can open a frame.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import trio

from tertulia.bootstrap.relay import bans as banning
from tertulia.bootstrap.relay import problems
from tertulia.bootstrap.relay.bans import Ban, read_bans
from tertulia.bootstrap.relay.rates import Rates
from tertulia.bootstrap.relay.settings import Settings, load, shown
from tertulia.bootstrap.relay.station import LIMIT_SESSIONS, Shared, Station
from tertulia.node.addresses import Listen, can_listen, parse_listen
from tertulia.node.carrying import LIMIT_COMMONS
from tertulia.node.redaction import Event, log
from tertulia.node.served import Served, read_record
from tertulia.node.shelf import ANY_MINUTE, Mark, Shelf
from tertulia.protocol.address import from_multiaddr, to_multiaddr
from tertulia.protocol.commons import LIMIT_ADDRESS
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import LocalError, RemoteError
from tertulia.protocol.shape import as_list, as_text
from tertulia.protocol.ticket import decode_ticket

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.identity import Identity
    from tertulia.bootstrap.relay.place import Place
    from tertulia.node.clock import Clock
    from tertulia.protocol.ids import CommonsId

DRAIN: Final = "relay.drain"
OTHERS: Final = "relay.others."
"""Then the id of the commons: addresses of its other relays."""
LIMIT_OTHERS: Final = 16
_MS: Final = 1_000


class Relay:
    """A running relay."""

    def __init__(self, place: Place, settings: Settings, identity: Identity, shelf: Shelf, clock: Clock) -> None:
        self.settings = settings
        self.started = clock()
        self.stations: dict[CommonsId, Station] = {}
        self.stopping = trio.Event()
        self.ended = trio.Event()
        """Set when everything has come to its end."""
        self.draining = 0
        """Until when (ms) this relay still serves its feeds; 0 while it is not going anywhere."""
        self._place, self._identity, self._shelf, self._clock = place, identity, shelf, clock
        self._shared: Shared
        self._scopes: dict[CommonsId, trio.CancelScope] = {}
        self._adding = trio.Lock()
        self._drain_changed = trio.Event()
        self._nursery: trio.Nursery

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stopping`. Raises LocalError when what is on the disk cannot be read, or a port is taken."""
        rows = await self._shelf.run(lambda archive: archive.commons())
        record = await self._shelf.run(lambda archive: archive.setting(banning.SETTING))
        drain = await self._shelf.run(lambda archive: archive.setting(DRAIN))
        try:
            found = [read_record(row.record, None) for row in rows]
            bans = read_bans(record)
        except RemoteError as damaged:
            raise LocalError(problems.UNREADABLE) from damaged
        for served in found:
            _require_port(served)
        puts = Rates(self.settings.quota.frames_per_minute)
        self._shared = Shared(self._shelf, self._clock, bans, trio.CapacityLimiter(LIMIT_SESSIONS), puts)
        self._shelf.on_lowered = self._lowered
        async with trio.open_nursery() as self._nursery:
            for served in found:
                await self._begin(served)
            self._set_drain(0 if drain is None else int.from_bytes(drain, "big"))
            self._nursery.start_soon(self._end_drain)
            task_status.started()
            await self.stopping.wait()
            for station in self.stations.values():
                station.drain(self._clock() + _MS)
            self._nursery.cancel_scope.cancel()
        self.ended.set()

    async def _begin(self, served: Served) -> Station:
        key = served.commons.id
        others = await self._shelf.run(lambda archive: archive.setting(OTHERS + key.hex()))
        station = Station(served, self._identity.host_seed(key), self.settings, self._shared)
        station.join(() if others is None else _read_others(others))
        scope = trio.CancelScope()
        self.stations[served.commons.id], self._scopes[served.commons.id] = station, scope

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with scope:
                await station.run(task_status=task_status)

        await self._nursery.start(run)
        station.drain(self.draining)
        return station

    def _lowered(self, last: Mark) -> None:
        for station in self.stations.values():
            station.feed.lowered(last)

    # Which communities ----------------------------------------------------------------------------------------------

    async def allow(self, ticket: str, port: int | None = None, others: Sequence[str] = ()) -> dict[str, Value]:
        """Serve the community of this ticket from now on, at every start, beside these other relays of it.

        Raises LocalError.
        """
        commons = decode_ticket(ticket)
        for one in others:
            if not from_multiaddr(one)[1]:
                raise LocalError(problems.NO_PEER)
        async with self._adding:
            known = self.stations.get(commons.id)
            if known is None:
                if len(self.stations) >= LIMIT_COMMONS:
                    raise LocalError(problems.MANY)
                served = Served(commons, (str(self._choose(port)),))
                key, record = commons.id, served.record
                await self._shelf.run(lambda archive: archive.put_commons(key, record))
                await self._keep_others(key, others)
                known = await self._begin(served)
                log(Event.INITIALISED, commons=len(self.stations))
            elif others:
                await self._keep_others(commons.id, others)
                known.join(others)
        return self.told(known)

    async def _keep_others(self, commons: CommonsId, others: Sequence[str]) -> None:
        record = encode(list(others[:LIMIT_OTHERS]))
        await self._shelf.run(lambda archive: archive.put_setting(OTHERS + commons.hex(), record))

    def _choose(self, port: int | None) -> Listen:
        """Where a new community is listened for: the port asked for, or the first that is free. Raises LocalError."""
        taken = {parse_listen(one).port for station in self.stations.values() for one in station.served.listen}
        first = self.settings.address.first_port
        for candidate in (port,) if port else range(first, min(first + 4 * LIMIT_COMMONS, 65_536)):
            family = 6 if ":" in self.settings.address.listen else 4
            listen = parse_listen(f"/ip{family}/{self.settings.address.listen}/tcp/{candidate}")
            if candidate not in taken and can_listen(listen):
                return listen
        raise LocalError(problems.no_port(port or first))

    async def forget(self, name: str) -> dict[str, Value]:
        """Serve a community no longer, and drop its frames. Raises LocalError."""
        station = self._find(name)
        key = station.served.commons.id
        async with self._adding:
            self._scopes.pop(key).cancel()
            del self.stations[key]
            await self._shelf.evict(key, ANY_MINUTE)
            await self._shelf.run(lambda archive: archive.remove_commons(key))
        return {"name": station.served.commons.name, "state": "removed"}

    def _find(self, name: str) -> Station:
        """The community of this name or id. Raises LocalError."""
        found = [
            station
            for station in self.stations.values()
            if name in {station.served.commons.name, station.served.commons.id.hex()}
        ]
        if len(found) != 1:
            raise LocalError(problems.UNKNOWN_COMMUNITY)
        return found[0]

    def told(self, station: Station) -> dict[str, Value]:
        """A community as its operator is shown it."""
        commons = station.served.commons
        return {
            "name": commons.name,
            "commons": commons.id.hex(),
            "address": self.address(station.served),
            "listening": station.listening,
            "feeds": len(station.feed),
            "peers": station.peers,
            "reservations": station.carried("relay places standing"),
            "circuits": station.carried("relay circuits standing"),
            "frames": len(station.carrier.holdings),
            "bytes": station.carrier.size,
            "trouble": "" if station.carrier.trouble is None else station.carrier.trouble.error,
        }

    def address(self, served: Served) -> str:
        """What members add as a relay: the announced name, this community's port and key."""
        return announced(self.settings, served, self._identity.public(served.commons.id))

    # While it runs --------------------------------------------------------------------------------------------------

    async def ban(self, who: str, reason: str, until: int) -> dict[str, Value]:
        """Keep somebody out, from now on and at every start. Raises LocalError."""
        ban = Ban(banning.subject(who), reason[: banning.LIMIT_REASON], until)
        self._shared.bans.add(ban, self._clock())
        await self._keep_bans()
        out = [await station.put_out_banned() for station in tuple(self.stations.values())]
        return {**_told_ban(ban), "disconnected": sum(out)}

    async def lift(self, who: str) -> dict[str, Value]:
        """Let somebody in again. Raises LocalError."""
        who = banning.subject(who)
        self._shared.bans.lift(who)
        await self._keep_bans()
        return {"who": who, "state": "lifted"}

    def bans(self) -> list[dict[str, Value]]:
        """Who is kept out now."""
        return [_told_ban(ban) for ban in self._shared.bans.standing(self._clock())]

    async def _keep_bans(self) -> None:
        record = self._shared.bans.record
        await self._shelf.run(lambda archive: archive.put_setting(banning.SETTING, record))

    async def drain(self, until: int) -> dict[str, Value]:
        """Take nobody new and end all feeds at `until` (ms), also after a restart; 0 takes it back."""
        await self._shelf.run(lambda archive: archive.put_setting(DRAIN, until.to_bytes(8, "big")))
        self._set_drain(until)
        return {"draining": until}

    def _set_drain(self, until: int) -> None:
        self.draining = until
        for station in self.stations.values():
            station.drain(until)
        self._drain_changed.set()
        self._drain_changed = trio.Event()

    async def _end_drain(self) -> None:
        while True:
            changed = self._drain_changed
            left = (self.draining - self._clock()) / _MS if self.draining else float("inf")
            with trio.move_on_after(max(0.0, left)) as patience:
                await changed.wait()
            if patience.cancelled_caught:
                for station in self.stations.values():
                    await station.close_feeds()
                await changed.wait()

    def reload(self) -> dict[str, Value]:
        """Read config.toml again and keep to it. Raises SettingsWrong, and then nothing changes."""
        self.settings = load(self._place.config)
        self._shared.puts.per_minute = self.settings.quota.frames_per_minute
        for station in self.stations.values():
            station.adopt(self.settings)
        return {"settings": plain(self.settings), "warnings": list(self.settings.warnings)}

    def status(self) -> dict[str, Value]:
        """All there is to say without naming a peer."""
        return {
            "release": importlib.metadata.version("tertulia"),
            "started": self.started,
            "draining": self.draining,
            "clock": self._clock(),
            "communities": [self.told(station) for station in self.stations.values()],
            "warnings": list(self.settings.warnings),
        }


def announced(settings: Settings, served: Served, public: bytes) -> str:
    """The address that members dial, with its PeerId; the place listened on where no name is announced."""
    listen = parse_listen(served.listen[0])
    host = settings.address.announce or str(listen.host)
    kind = "ip6" if ":" in host else "ip4" if host.replace(".", "").isdigit() else "dns4"
    try:
        return to_multiaddr(from_multiaddr(f"/{kind}/{host}/tcp/{listen.port}")[0], public)
    except LocalError:  # a wildcard, or a name longer than an invite can hold: the operator is told by the doctor
        return ""


def plain(settings: Settings) -> dict[str, Value]:
    """Settings as a client is told them."""
    told = shown(settings).items()
    return {name: value if isinstance(value, bool | int | str) else str(value) for name, value in told}


def _read_others(record: bytes) -> tuple[str, ...]:
    return tuple(as_text(one, LIMIT_ADDRESS) for one in as_list(decode(record, LIMIT_OTHERS * 512), most=LIMIT_OTHERS))


def _told_ban(ban: Ban) -> dict[str, Value]:
    return {"who": ban.who, "reason": ban.reason, "until": ban.until}


def _require_port(served: Served) -> None:
    for address in served.listen:
        listen = parse_listen(address)
        if not can_listen(listen):
            raise LocalError(problems.no_port(listen.port))
