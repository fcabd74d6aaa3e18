"""The libp2p host fails underneath a citizen: it is started again, and what they said meanwhile still goes out."""

from __future__ import annotations

from carriers import commons, frame, held, network

from tertulia.node import network as networks
from tertulia.node.problems import NO_NETWORK

HERE = commons()
SEED = b"s" * 32


class Fault(Exception):
    """Something in the library that nobody foresaw."""


async def fall() -> None:
    raise Fault


async def test_own_frames_outlive_a_crash_of_the_host(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(networks, "RESTART_SECONDS", 1.0)
    async with (
        network(tmp_path / "a", HERE, seed=SEED) as (a, _),
        network(tmp_path / "b", HERE, peers=a.addresses) as (b, ear),
    ):
        for turn in range(2):
            await ear.until(lambda: b.reached == 1)
            host = next(iter(b._neighbours.values()))._host
            host.router.manager.run_task(fall)
            last = frame(HERE)
            await b.carrier.publish([last])  # the host does not know yet that it has fallen
            await ear.until(lambda: b.problem is NO_NETWORK and not b.neighbours)
            meanwhile = frame(HERE)
            await b.carrier.publish([meanwhile])
            said = {last.id, meanwhile.id}
            await ear.until(lambda said=said: said <= {kept.frame for kept in ear.keeps}, 60)
            assert said <= await held(a.carrier), turn
            assert b.problem is None
