"""A network of Linux network namespaces for real processes: public hosts, NATs with hosts behind them, one switch.

docs/guide/mesh.md, *The lab in network namespaces*. Invariants: names carry the process that made them, its start
included, so what a killed one left is told apart from what is alive and swept when the next network is set up; nothing
is made in the machine's own namespace; leaving the block takes down everything, processes inside included.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tertulia.bootstrap.mesh.inside import NETNS, inside

INTERNET: Final = "198.51.100"
"""The network everybody sees, /24 (TEST-NET-2); .1 is its switch, which forwards nothing beyond."""
LAN: Final = "10.77"
"""The n-th NAT's network is 10.77.n.0/24, its own address there .1."""
LIMIT_PUBLIC: Final = 80
LIMIT_LANS: Final = 100
LIMIT_BEHIND: Final = 200
FIRST: Final = 10
FIRST_NAT: Final = 100
POWERS: Final = (12, 21)
"""CAP_NET_ADMIN and CAP_SYS_ADMIN (linux/capability.h)."""
TUN: Final = Path("/dev/net/tun")
SWITCH: Final = "switch"
TRIES: Final = 3
"""Times that namespaces are removed before giving up."""
LIMIT_DYING_MS: Final = 10_000
"""How long a killed process is waited for: one that is deep in the kernel ends when it comes back."""
_NAME: Final = re.compile(r"tertulia-(\d+)-(\d+)-[a-z0-9]+")
_HOST: Final = re.compile(r"[a-z0-9]{1,12}")


class NoNamespaces(Exception):
    """This machine cannot have such a network; the text says what it lacks."""


def powers() -> bool:
    """Whether this process may make namespaces at all: Linux, and root's powers over networks and mounts."""
    try:
        words = Path("/proc/self/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    held = int(words.partition("CapEff:")[2].split()[0], 16)
    return all(held >> power & 1 for power in POWERS)


def lacking() -> str:
    """What this machine lacks, in one sentence; "" when it has everything."""
    if not powers():
        return "Network namespaces need Linux and root (CAP_NET_ADMIN and CAP_SYS_ADMIN)."
    packages = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux"}
    missing = [package for tool, package in packages.items() if shutil.which(tool) is None]
    if missing:
        return f"Network namespaces need these Debian packages: {' '.join(missing)}."
    return "" if TUN.exists() else f"The wire needs {TUN}, which this machine does not have."


@dataclass(frozen=True, slots=True)
class Plan:
    """Who there is: names of public hosts, and of NATs with the hosts behind each."""

    public: tuple[str, ...]
    lans: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wired: bool = False
    """No switch: every way into the internet ends in a TUN device, for a `Wire`."""

    def __post_init__(self) -> None:
        names = [*self.public, *self.lans, *(name for behind in self.lans.values() for name in behind)]
        assert len({*names, SWITCH}) == len(names) + 1, "every name once, and none is the switch's"
        assert all(_HOST.fullmatch(name) for name in names), names
        assert len(self.public) <= LIMIT_PUBLIC
        assert len(self.lans) <= LIMIT_LANS
        assert all(len(behind) <= LIMIT_BEHIND for behind in self.lans.values())


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of the network: its namespace and its address; that of a NAT is the outer one."""

    name: str
    netns: str
    address: str

    def command(self, *words: str) -> tuple[str, ...]:
        """The words of a command that runs there; the process keeps its id, so that it can be signalled."""
        return ("nsenter", f"--net={NETNS / self.netns}", "--", *words)


@dataclass(frozen=True, slots=True)
class Namespaces:
    """A network that stands."""

    plan: Plan
    hosts: Mapping[str, Host]
    """Public hosts, NATs and the hosts behind them, by name."""
    switch: str
    """The namespace in which everything that crosses the internet can be seen; unless it is wired."""

    def part(self, *names: str) -> None:
        """Cut these public hosts and NATs off from the others: not a packet passes the switch in between."""
        ports = ", ".join(f'"{name}"' for name in names)
        rules = f"""
            table bridge parted {{}}
            delete table bridge parted
            table bridge parted {{
              set near {{ type ifname; elements = {{ {ports} }}; }}
              chain passing {{
                type filter hook forward priority 0;
                iifname @near oifname != @near counter drop;
                iifname != @near oifname @near counter drop;
              }}
            }}"""
        _nft(self.switch, rules)

    def heal(self) -> None:
        """Let everything through again."""
        _nft(self.switch, "table bridge parted {}\ndelete table bridge parted\n")


@contextmanager
def namespaces(plan: Plan) -> Iterator[Namespaces]:
    """A network after this plan, for the length of the block. Raises NoNamespaces."""
    reason = lacking()
    if reason:
        raise NoNamespaces(reason)
    sweep()
    prefix = f"tertulia-{os.getpid()}-{_started(os.getpid())}-"
    standing = Namespaces(plan, _hosts(plan, prefix), f"{prefix}{SWITCH}")
    try:
        _raise(standing)
        yield standing
    finally:
        _take_down([name for name in _names() if name.startswith(prefix)])


def sweep() -> list[str]:
    """Take down what processes that are dead have left; the names of it."""
    left = []
    for name in _names():
        found = _NAME.fullmatch(name)
        if found is not None and _started(int(found[1])) != int(found[2]):
            left.append(name)
    _take_down(left)
    return left


def _hosts(plan: Plan, prefix: str) -> dict[str, Host]:
    places = {name: f"{INTERNET}.{FIRST + at}" for at, name in enumerate(plan.public)}
    for lan, (nat, behind) in enumerate(plan.lans.items()):
        places[nat] = f"{INTERNET}.{FIRST_NAT + lan}"
        places |= {name: f"{LAN}.{lan}.{FIRST + at}" for at, name in enumerate(behind)}
    return {name: Host(name, prefix + name, address) for name, address in places.items()}


def _raise(standing: Namespaces) -> None:
    plan, hosts = standing.plan, standing.hosts
    outer = [*plan.public, *plan.lans]
    made = [f"netns add {host.netns}" for host in hosts.values()]
    if not plan.wired:
        made.append(f"netns add {standing.switch}")
        # The port of each in the switch has its name.
        made += [_pair(name, standing.switch, "wan", hosts[name].netns) for name in outer]
    for nat, behind in plan.lans.items():
        made += [_pair(name, hosts[nat].netns, "lan0", hosts[name].netns) for name in behind]
    _ip(made)
    for host in hosts.values():
        inside(host.netns, _plain, forwards=host.name in plan.lans)
    if not plan.wired:
        inside(standing.switch, _plain, forwards=False)
        _ip(_bridge("internet", f"{INTERNET}.1/24", outer), standing.switch)
        for name in outer:
            _ip(["link set lo up", *_address("wan", f"{hosts[name].address}/24", f"{INTERNET}.1")], hosts[name].netns)
    for lan, (nat, behind) in enumerate(plan.lans.items()):
        _ip(_bridge("lan", f"{LAN}.{lan}.1/24", behind), hosts[nat].netns)
        _nft(hosts[nat].netns, _MASQUERADE)
        for name in behind:
            words = _address("lan0", f"{hosts[name].address}/24", f"{LAN}.{lan}.1")
            _ip(["link set lo up", *words], hosts[name].netns)


_MASQUERADE: Final = """
table ip nat {
  chain leaving {
    type nat hook postrouting priority 100;
    oifname "wan" masquerade;
  }
  chain passing {
    type filter hook forward priority 0;
    iifname "wan" ct state new counter drop;
  }
}
"""
"""What a home router does: one address for all, and nothing comes in that was not asked for."""


def _pair(port: str, switch: str, device: str, netns: str) -> str:
    return f"link add name {port} netns {switch} type veth peer name {device} netns {netns}"


def _bridge(name: str, address: str, ports: Sequence[str]) -> list[str]:
    words = [f"link add {name} type bridge", f"address add {address} dev {name}"]
    words += [f"link set {port} master {name} up" for port in ports]
    return ["link set lo up", *words, f"link set {name} up"]


def _address(device: str, address: str, gateway: str) -> list[str]:
    return [f"address add {address} dev {device}", f"link set {device} up", f"route add default via {gateway}"]


def _plain(*, forwards: bool) -> None:
    """Runs in a namespace that is new: IPv4 only, so that no packet is sent that no process asked for."""
    for name in ("all", "default"):
        path = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        if path.exists():  # a kernel without IPv6 has none to disable
            path.write_text("1", encoding="ascii")
    Path("/proc/sys/net/ipv4/ip_forward").write_text(str(int(forwards)), encoding="ascii")


def _ip(lines: Sequence[str], netns: str = "") -> None:
    where = ["-n", netns] if netns else []
    _run(["ip", *where, "-batch", "-"], "\n".join(lines) + "\n")


def _nft(netns: str, rules: str) -> None:
    _run(["nsenter", f"--net={NETNS / netns}", "--", "nft", "-f", "-"], rules)


def _run(command: Sequence[str], said: str) -> None:
    done = subprocess.run(command, input=said.encode(), capture_output=True, check=False)
    if done.returncode:
        raise NoNamespaces(f"{' '.join(command)} failed: {done.stderr.decode(errors='replace').strip()}")


def _started(pid: int) -> int:
    """When that process started (clock ticks since boot); -1 when there is none."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return -1
    return int(words.rpartition(")")[2].split()[19])


def _names() -> list[str]:
    return sorted(path.name for path in NETNS.glob("tertulia-*")) if NETNS.exists() else []


def _take_down(names: Sequence[str]) -> None:
    """Kill what runs in these namespaces, and remove them; another process may be sweeping the same."""
    inodes = set()
    for name in names:
        with suppress(FileNotFoundError):
            inodes.add((NETNS / name).stat().st_ino)
    if inodes:
        _kill(inodes)
    left = names
    for _ in range(TRIES):
        left = [name for name in left if (NETNS / name).exists()]
        if not left:
            return
        subprocess.run(
            ["ip", "-force", "-batch", "-"], input="".join(f"netns delete {name}\n" for name in left).encode(),
            capture_output=True, check=False,
        )  # fmt: skip
    raise NoNamespaces(f"These network namespaces could not be removed: {' '.join(left)}.")


def _kill(inodes: Container[int]) -> None:
    """Kill every process in these namespaces, and wait until it has ended; pidfd_open(2): readable means ended."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):  # ended meanwhile, or not ours
            if (process / "ns/net").stat().st_ino in inodes:
                held = os.pidfd_open(int(process.name))
                try:
                    signal.pidfd_send_signal(held, signal.SIGKILL)
                    ended = select.poll()
                    ended.register(held, select.POLLIN)
                    ended.poll(LIMIT_DYING_MS)
                finally:
                    os.close(held)
