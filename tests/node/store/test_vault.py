"""The vault: rows in, the same rows out, whole batches, and nothing readable without the key."""

import os
import threading
from pathlib import Path

import apsw
import pytest

from tertulia.node.store import database, vault
from tertulia.node.store.problems import StoreFailed
from tertulia.node.store.vault import Vault, VaultDamaged, VaultNewer
from tertulia.protocol.effects import Erase, Put, Table

KEY = bytes(range(32))
CANARY = b"canary: what was said in confidence"


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "profile"
    folder.mkdir()
    return folder / "vault.db"


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def fill(path: Path, rows: int = 300) -> None:
    made = Vault.create(path, KEY)
    made.commit([Put(Table.EVENT, number.to_bytes(4, "big"), bytes(1000)) for number in range(rows)])
    made.close()


def kill_and_copy(path: Path, to: Path) -> Path:
    """What a machine that stops at this moment leaves behind."""
    to.mkdir()
    for name, data in bytes_of(path.parent).items():
        (to / name).write_bytes(data)
    return to / path.name


def refuse(path: Path, key: bytes = KEY, error: type[Exception] = VaultDamaged) -> str:
    before = bytes_of(path.parent)
    with pytest.raises(error) as caught:
        Vault.open(path, key)
    assert bytes_of(path.parent) == before
    problem = caught.value.problem
    assert all((problem.error, problem.safe, problem.next))
    return problem.error


class TestRows:
    def test_come_back_after_closing_in_the_order_of_their_keys(self, path):
        made = Vault.create(path, KEY)
        made.commit([Put(Table.EVENT, b"b", b"2"), Put(Table.EVENT, b"a", b"1"), Put(Table.PROFILE, b"a", b"else")])
        made.close()
        again = Vault.open(path, KEY)
        assert list(again.rows(Table.EVENT)) == [(b"a", b"1"), (b"b", b"2")]
        assert again.get(Table.PROFILE, b"a") == b"else"
        assert again.get(Table.PROFILE, b"b") is None
        assert list(again.rows(Table.DOOR)) == []
        again.close()

    def test_the_last_change_to_a_key_in_a_batch_wins(self, path):
        made = Vault.create(path, KEY)
        made.commit([Put(Table.EVENT, b"a", b"1"), Put(Table.EVENT, b"a", b"2")])
        made.commit([Put(Table.EVENT, b"b", b"1"), Erase(Table.EVENT, b"b"), Erase(Table.EVENT, b"never there")])
        made.commit([])
        assert list(made.rows(Table.EVENT)) == [(b"a", b"2")]
        made.close()

    def test_are_walked_over_many_pages_while_others_write(self, path):
        made = Vault.create(path, KEY)
        keys = [number.to_bytes(4, "big") for number in range(2 * vault.LIMIT_PAGE + 1)]
        made.commit([Put(Table.EVENT, key, b"v") for key in keys])
        seen = []
        for key, _ in made.rows(Table.EVENT):
            seen.append(key)
            made.commit([Erase(Table.EVENT, key)])
        assert seen == keys
        assert list(made.rows(Table.EVENT)) == []
        made.close()

    def test_can_be_used_from_any_thread_one_at_a_time(self, path):
        made = Vault.create(path, KEY)
        thread = threading.Thread(target=lambda: made.commit([Put(Table.EVENT, b"a", b"from a thread")]))
        thread.start()
        thread.join()
        assert made.get(Table.EVENT, b"a") == b"from a thread"
        made.close()

    def test_every_table_of_the_core_has_a_place(self, path):
        made = Vault.create(path, KEY)
        made.commit([Put(table, b"k", table.value.encode()) for table in Table])
        assert [dict(made.rows(table)) for table in Table] == [{b"k": table.value.encode()} for table in Table]
        made.close()


class TestABatch:
    def test_that_fails_in_the_middle_leaves_nothing(self, path):
        made = Vault.create(path, KEY)
        with pytest.raises(TypeError):
            made.commit([Put(Table.EVENT, b"a", b"1"), Put(Table.EVENT, b"b", object())])
        assert list(made.rows(Table.EVENT)) == []
        made.commit([Put(Table.EVENT, b"a", b"1")])
        assert list(made.rows(Table.EVENT)) == [(b"a", b"1")]
        made.close()

    def test_is_there_when_the_machine_stops_right_after(self, path, tmp_path):
        made = Vault.create(path, KEY)
        made.commit([Put(Table.EVENT, b"a", b"1")])
        copy = Vault.open(kill_and_copy(path, tmp_path / "copy"), KEY)
        assert copy.get(Table.EVENT, b"a") == b"1"
        copy.close()
        made.close()

    def test_after_closing_is_refused(self, path):
        made = Vault.create(path, KEY)
        made.close()
        made.close()
        with pytest.raises(StoreFailed):
            made.commit([Put(Table.EVENT, b"a", b"1")])

    def test_durability_is_set_as_promised(self, path):
        made = Vault.create(path, KEY)
        asked = ("cipher", "journal_mode", "synchronous", "secure_delete", "temp_store", "locking_mode")
        assert [made._database.read(lambda c, name=name: c.pragma(name)) for name in asked] == [
            "chacha20", "wal", 2, 1, 2, "exclusive",
        ]  # fmt: skip
        made.close()


class TestSecrecy:
    def test_nothing_written_is_readable_in_any_file(self, path):
        made = Vault.create(path, KEY)
        made.commit([Put(Table.EVENT, CANARY, CANARY * 200)])
        during = bytes_of(path.parent)
        made.close()
        assert "vault.db-wal" in during
        for name, data in (*during.items(), *bytes_of(path.parent).items()):
            assert CANARY not in data, name
            assert KEY not in data, name
            assert b"CREATE TABLE" not in data, name

    def test_the_search_finds_a_planted_leak(self, path):
        plain = apsw.Connection(str(path))
        plain.execute("CREATE TABLE row (value BLOB)")
        plain.execute("INSERT INTO row VALUES (?)", (CANARY,))
        plain.close()
        assert CANARY in path.read_bytes()

    @pytest.mark.parametrize("table", sorted(vault.SECRETS))
    @pytest.mark.parametrize("last", [Erase, lambda table, key: Put(table, key, b"the next one")])
    def test_erased_or_replaced_keys_are_gone_even_for_who_has_the_passphrase(self, path, tmp_path, table, last):
        made = Vault.create(path, KEY)
        made.commit([Put(table, b"k", CANARY)])
        made.commit([last(table, b"k")])
        copy = kill_and_copy(path, tmp_path / "copy")
        made.close()
        assert (copy.parent / "vault.db-wal").stat().st_size == 0
        opened = apsw.Connection(str(copy))
        opened.pragma("key", f"raw:{KEY.hex()}")
        opened.pragma("journal_mode", "delete")
        opened.pragma("rekey", "")
        opened.close()
        assert b"CREATE TABLE" in copy.read_bytes()  # it is readable now
        assert CANARY not in copy.read_bytes()

    def test_what_a_crash_left_in_the_log_is_cleared_at_the_next_opening(self, path, tmp_path):
        made = Vault.create(path, KEY)
        made.commit([Put(Table.EVENT, b"k", CANARY)])
        made.commit([Erase(Table.EVENT, b"k")])
        copy = kill_and_copy(path, tmp_path / "copy")
        made.close()
        assert (copy.parent / "vault.db-wal").stat().st_size > 0
        opened = Vault.open(copy, KEY)
        assert (copy.parent / "vault.db-wal").stat().st_size == 0
        opened.close()

    def test_files_are_private_whatever_the_umask(self, path):
        before = os.umask(0)
        try:
            made = Vault.create(path, KEY)
            made.commit([Put(Table.EVENT, b"a", b"1")])
            modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
            made.close()
        finally:
            os.umask(before)
        assert modes == {"vault.db": 0o600, "vault.db-wal": 0o600}

    def test_the_key_is_in_no_repr(self, path):
        made = Vault.create(path, KEY)
        assert KEY.hex() not in repr(made) + repr(made._database)
        made.close()


class TestRefused:
    def test_a_wrong_key(self, path):
        fill(path)
        assert "damaged" in refuse(path, bytes(32))

    def test_a_missing_file(self, path):
        with pytest.raises(VaultDamaged) as caught:
            Vault.open(path, KEY)
        assert "missing" in caught.value.problem.error
        assert not path.exists()

    @pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.5, 0.7, 0.999])
    def test_one_flipped_bit(self, path, part):
        fill(path)
        data = bytearray(path.read_bytes())
        data[int(len(data) * part)] ^= 1
        path.write_bytes(data)
        refuse(path)

    @pytest.mark.parametrize("left", [0, 1, 100, 4095, 4096, 8192, -4096, -1])
    def test_a_file_cut_short(self, path, left):
        fill(path)
        path.write_bytes(path.read_bytes()[:left])
        refuse(path)

    def test_a_file_of_something_else(self, path):
        path.write_bytes(b"Dear diary, " * 1000)
        refuse(path)

    def test_a_database_without_encryption(self, path):
        plain = apsw.Connection(str(path))
        plain.execute("CREATE TABLE row (value BLOB)")
        plain.close()
        refuse(path)

    def test_an_archive_under_the_same_key(self, path):
        kind = database.Kind("the archive", vault.KIND.application + 1, vault.KIND.steps)
        database.Database.create(path, KEY, kind).close()
        refuse(path)

    def test_a_vault_of_a_newer_release(self, path):
        kind = database.Kind("the vault", vault.KIND.application, (*vault.KIND.steps, ("CREATE TABLE later (a)",)))
        database.Database.create(path, KEY, kind).close()
        assert "newer Tertulia" in refuse(path, error=VaultNewer)

    def test_a_log_damaged_in_the_middle_of_confirmed_commits(self, path, tmp_path):
        made = Vault.create(path, KEY)
        for number in range(20):
            made.commit([Put(Table.EVENT, number.to_bytes(4, "big"), b"v")])
        copy = kill_and_copy(path, tmp_path / "copy")
        made.close()
        log = copy.with_name("vault.db-wal")
        whole = log.read_bytes()
        for at in (0, 5, 17, 30, 40, 32 + 24 + 100, len(whole) // 2):
            log.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            refuse(copy)
        log.write_bytes(whole)
        opened = Vault.open(copy, KEY)
        assert len(list(opened.rows(Table.EVENT))) == 20
        opened.close()

    def test_a_vault_beside_one_that_is_there(self, path):
        fill(path)
        before = bytes_of(path.parent)
        with pytest.raises(StoreFailed) as caught:
            Vault.create(path, KEY)
        assert "there already" in caught.value.problem.error
        assert bytes_of(path.parent) == before

    def test_a_vault_that_another_program_has_open(self, path):
        made = Vault.create(path, KEY)
        made.commit([Put(Table.EVENT, b"a", b"1")])
        with pytest.raises(StoreFailed) as caught:
            Vault.open(path, KEY)
        assert "another program" in caught.value.problem.error
        assert made.get(Table.EVENT, b"a") == b"1"
        made.close()


class TestNotRefused:
    def test_a_last_commit_that_the_machine_did_not_finish(self, path, tmp_path):
        made = Vault.create(path, KEY)
        made.commit([Put(Table.EVENT, b"a", b"1")])
        confirmed = path.with_name("vault.db-wal").stat().st_size
        made.commit([Put(Table.EVENT, b"b", b"2")])
        copy = kill_and_copy(path, tmp_path / "copy")
        made.close()
        log = copy.with_name("vault.db-wal")
        log.write_bytes(log.read_bytes()[: confirmed + 2000])
        opened = Vault.open(copy, KEY)
        assert list(opened.rows(Table.EVENT)) == [(b"a", b"1")]
        opened.close()

    def test_what_an_interrupted_making_left_behind(self, path):
        path.with_name("vault.db.new").write_bytes(b"half of a database")
        fill(path)
        assert sorted(bytes_of(path.parent)) == ["vault.db"]
