"""Parts of libp2p that a node never uses, kept from being loaded: they cost 0.3 s and 30 MB at each start.

Importing any module of libp2p 0.8.1 imports all of its transports, its discovery and its certificate client, and with
them aioquic, zeroconf, miniupnpc, httpx, requests and dnspython. Here stand-ins take their place: code that speaks on
the network by itself is not merely switched off but absent (DESIGN.md §8, GOALS.md F8 and F9). Invariants: a stand-in
may be named, made and caught, but whatever is asked of it raises `LeftOut`; a process that loaded libp2p before keeps
it whole. Delete when `import libp2p` upstream loads only what is asked for (docs/upstream.md).
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

LIBRARY = "libp2p"
LEFT_OUT = (
    "libp2p.discovery",  # mDNS, UPnP, rendezvous: a node dials only what the commons names
    "libp2p.peer.persistent",  # a record on disk of who was met
    "libp2p.rcmgr.prometheus_exporter",
    "libp2p.security.secio",
    "libp2p.security.tls",  # with its client for certificates from the web
    "libp2p.transport.quic",
    "libp2p.transport.websocket",
    "multiaddr.resolvers",  # names are resolved by the operating system: tcp.py
)


class LeftOut(RuntimeError):
    """Something needs a part of libp2p that is not loaded here."""


class StandIn:
    """An object of a class that is left out."""

    def __init__(self, *_arguments: object, **_options: object) -> None:
        pass

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise LeftOut(f"{type(self).__module__}.{type(self).__name__}")


class StandInModule(ModuleType):
    """A module that is left out: a name in it is an error to catch, a class, or a function that refuses."""

    def __getattr__(self, name: str) -> type | Callable[..., object]:
        if name.startswith("__"):
            raise AttributeError(name)
        made: type | Callable[..., object]
        if name[0].islower():
            made = _refusing(f"{self.__name__}.{name}")
        else:
            base = Exception if name.endswith(("Error", "Exception")) else StandIn
            made = type(name, (base,), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*_arguments: object, **_options: object) -> NoReturn:
        raise LeftOut(name)

    return refuse


class StandInFinder(MetaPathFinder, Loader):
    """Finds the left-out modules, and everything below them, before the real ones are found."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Say that a left-out module is loaded by us."""
        if any(fullname == name or fullname.startswith(f"{name}.") for name in LEFT_OUT):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the stand-in."""
        return StandInModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: there is nothing in it."""


if LIBRARY not in sys.modules:
    sys.meta_path.insert(0, StandInFinder())
