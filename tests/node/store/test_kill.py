"""R3 at the size of this part: `kill -9` at random points, and everything that was acknowledged is there."""

import random
import subprocess
import sys

from tertulia.node.store.vault import Vault
from tertulia.protocol.effects import Table

KEY = bytes(range(32))
KILLS = 40
MOST_ACKNOWLEDGED = 60

CITIZEN = """
import os, sys
from pathlib import Path
from tertulia.node.store.vault import Vault
from tertulia.protocol.effects import Erase, Put, Table

vault, run = Vault.open(Path(sys.argv[1]), bytes(range(32))), int(sys.argv[2])
for number in range(1_000_000):
    name = f"{run}:{number}".encode()
    vault.commit([
        Put(Table.EVENT, name, bytes(300)),
        Put(Table.OUTBOX, b"twin " + name, bytes(3000)),
        Put(Table.SESSION, b"only one", name),  # replaced each time: the log is emptied as well
        Erase(Table.EVENT, f"{run}:{number - 100}".encode()),
    ])
    os.write(1, b"%d\\n" % number)
"""


def test_forty_kills_lose_nothing_acknowledged(tmp_path):
    path = tmp_path / "vault.db"
    Vault.create(path, KEY).close()
    chance = random.Random(20261122)
    acknowledged_in_all = 0
    for run in range(KILLS):
        citizen = subprocess.Popen([sys.executable, "-c", CITIZEN, path, str(run)], stdout=subprocess.PIPE)
        last = -1
        for _ in range(chance.randint(1, MOST_ACKNOWLEDGED)):
            last = int(citizen.stdout.readline())
        citizen.kill()
        rest, _ = citizen.communicate()
        last = max([last, *map(int, rest.split(b"\n")[:-1])])
        acknowledged_in_all += last + 1

        vault = Vault.open(path, KEY)
        events = {name for name, _ in vault.rows(Table.EVENT)}
        twins = {name.removeprefix(b"twin ") for name, _ in vault.rows(Table.OUTBOX)}
        latest = vault.get(Table.SESSION, b"only one")
        vault.close()
        kept = {int(name.split(b":")[1]) for name in twins if name.startswith(b"%d:" % run)}
        assert kept >= set(range(last + 1))
        # The one in flight is there whole or not at all.
        assert kept <= set(range(last + 2))
        assert latest == b"%d:%d" % (run, max(kept))
        assert {name for name in events if name.startswith(b"%d:" % run)} == {
            b"%d:%d" % (run, number) for number in kept if number > max(kept) - 100
        }
    assert acknowledged_in_all > KILLS
