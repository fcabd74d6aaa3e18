"""A profile: private or not opened, one node at a time, a socket that nobody else can plant."""

import os
import shutil
import socket
import stat
import subprocess
import sys

import pytest

from tertulia.node.profile import FILES, LIMIT_SOCKET, Profile, ProfileBusy, ProfileOpen, default_home
from tertulia.node.store.problems import StoreFailed
from tertulia.protocol.errors import LocalError

RACERS = 8


@pytest.fixture
def profile(tmp_path):
    made = Profile.named("ana", tmp_path / "home")
    made.prepare()
    return made


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


class TestTheFolder:
    def test_is_made_private_whatever_the_umask(self, tmp_path):
        before = os.umask(0)
        try:
            profile = Profile.named("ana", tmp_path / "home")
            profile.prepare()
            profile.lock().release()
            profile.write_socket(tmp_path / "s")
        finally:
            os.umask(before)
        assert mode(tmp_path / "home") == mode(profile.folder) == 0o700
        assert mode(profile.lock_file) == mode(profile.socket_file) == 0o600

    def test_holds_the_names_of_the_contract(self, profile):
        named = (
            profile.config, profile.vault, profile.wrap, profile.archive, profile.archive_key,
            profile.lock_file, profile.socket_file, profile.log,
        )  # fmt: skip
        assert {path.parent for path in named} == {profile.folder}
        assert {path.name for path in named} == {
            "config.toml", "vault.db", "vault.wrap", "archive.db", "archive.key",
            "node.lock", "node.socket", "node.log",
        }  # fmt: skip
        assert {path.name for path in named} <= set(FILES)
        assert profile.name == "ana"

    def test_is_under_the_users_data_unless_told_otherwise(self):
        assert Profile.named().folder == default_home().absolute() / "main"

    def test_naming_one_touches_nothing(self, tmp_path):
        Profile.named("ana", tmp_path / "home")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["", "..", ".", "a/b", "/etc", "-x", ".hidden", "a" * 65, "a\n", "añil", "a b"])
    def test_a_name_that_is_no_plain_word_is_refused(self, tmp_path, name):
        with pytest.raises(LocalError):
            Profile.named(name, tmp_path)

    def test_preparing_twice_is_fine(self, profile):
        profile.wrap.write_bytes(b"x")
        profile.wrap.chmod(0o600)
        profile.prepare()
        assert profile.wrap.read_bytes() == b"x"

    @pytest.mark.parametrize("bits", [0o710, 0o701, 0o750, 0o755, 0o777])
    def test_that_others_can_look_into_is_not_opened(self, profile, bits):
        profile.folder.chmod(bits)
        with pytest.raises(ProfileOpen) as caught:
            profile.prepare()
        assert caught.value.problem.next == f"Close it with: chmod 700 '{profile.folder}'"
        assert mode(profile.folder) == bits

    @pytest.mark.parametrize("name", FILES)
    def test_a_file_that_others_can_read_keeps_it_closed(self, profile, name):
        path = profile.folder / name
        path.write_bytes(b"x")
        path.chmod(0o640)
        with pytest.raises(ProfileOpen) as caught:
            profile.prepare()
        assert caught.value.problem.error == f"Other users of this computer could look into {path}."
        path.chmod(0o600)
        profile.prepare()

    def test_a_link_in_the_place_of_a_file_keeps_it_closed(self, profile, tmp_path):
        (tmp_path / "elsewhere").write_bytes(b"x")
        profile.vault.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ProfileOpen):
            profile.prepare()

    def test_a_folder_of_another_user_is_not_opened(self, profile):
        if os.geteuid() != 0:
            pytest.skip("SKIPPED ALOUD: only root can give a folder to another user")
        os.chown(profile.folder, 65_534, 65_534)
        with pytest.raises(ProfileOpen) as caught:
            profile.prepare()
        assert "belongs to another user" in caught.value.problem.error

    def test_that_cannot_be_made_is_a_sentence(self, tmp_path):
        (tmp_path / "home").write_bytes(b"a file where a folder should be")
        with pytest.raises(StoreFailed) as caught:
            Profile.named("ana", tmp_path / "home").prepare()
        assert str(tmp_path / "home" / "ana") in caught.value.problem.error

    def test_that_cannot_be_written_is_a_sentence(self, profile):
        try:
            if os.geteuid() == 0:
                if shutil.which("mount") is None:
                    pytest.skip("SKIPPED ALOUD: root needs mount to make a folder that it cannot write")
                command = ["mount", "-t", "tmpfs", "-o", "ro,mode=700", "tmpfs", profile.folder]
                if subprocess.run(command, check=False).returncode != 0:
                    pytest.skip("SKIPPED ALOUD: root cannot mount here to make a folder that it cannot write")
            else:
                profile.folder.chmod(0o500)
            for action in (profile.lock, lambda: profile.write_socket(profile.folder / "s")):
                with pytest.raises(StoreFailed) as caught:
                    action()
                assert str(profile.folder) in caught.value.problem.error
        finally:
            if os.geteuid() == 0:
                subprocess.run(["umount", "-l", profile.folder], check=False)
            else:
                profile.folder.chmod(0o700)


class TestTheLock:
    def test_one_node_at_a_time(self, profile):
        with profile.lock():
            with pytest.raises(ProfileBusy) as caught:
                profile.lock()
            assert "already running for the profile ana" in caught.value.problem.error
        first = profile.lock()
        first.release()
        first.release()
        profile.lock().release()

    def test_two_profiles_do_not_stand_in_each_others_way(self, profile):
        other = Profile.named("bea", profile.folder.parent)
        other.prepare()
        with profile.lock(), other.lock():
            pass

    def test_of_many_started_at_once_exactly_one_wins(self, profile):
        code = (
            "import sys\nfrom pathlib import Path\nfrom tertulia.node.profile import Profile, ProfileBusy\n"
            "profile = Profile(Path(sys.argv[1]))\nprint('ready', flush=True)\nsys.stdin.readline()\n"
            "try:\n    lock = profile.lock()\n    print('won', flush=True)\n"
            "except ProfileBusy:\n    print('busy', flush=True)\nsys.stdin.readline()\n"
        )
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", code, profile.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(RACERS)
        ]
        assert {racer.stdout.readline() for racer in racers} == {"ready\n"}
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        results = [racer.stdout.readline().strip() for racer in racers]
        assert sorted(results) == ["busy"] * (RACERS - 1) + ["won"]
        winner = racers[results.index("won")]
        with pytest.raises(ProfileBusy):
            profile.lock()
        winner.kill()
        for racer in racers:
            racer.communicate()
        profile.lock().release()

    def test_a_link_planted_as_the_lock_is_not_followed(self, profile, tmp_path):
        profile.lock_file.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(StoreFailed):
            profile.lock()
        assert not (tmp_path / "elsewhere").exists()


class TestTheSocket:
    @pytest.fixture
    def runtime(self, tmp_path):
        folder = tmp_path / "run"
        folder.mkdir(mode=0o700)
        return folder

    def test_is_in_the_runtime_folder_the_same_each_time(self, profile, runtime):
        # A test's folder has a long name; a runtime folder has not.
        short = {"XDG_RUNTIME_DIR": str(runtime)}
        path = profile.socket_path(short)
        if len(str(runtime / "tertulia")) + 17 <= LIMIT_SOCKET:
            assert path.parent == runtime / "tertulia"
        assert path == profile.socket_path(short)
        assert mode(path.parent) == 0o700
        other = Profile.named("bea", profile.folder.parent)
        assert other.socket_path(short) != path

    @pytest.mark.parametrize("bits", [0o755, 0o770])
    def test_is_not_in_a_runtime_folder_that_others_enter(self, profile, runtime, bits):
        runtime.chmod(bits)
        path = profile.socket_path({"XDG_RUNTIME_DIR": str(runtime)})
        assert str(path.parent) == f"/tmp/tertulia-{os.geteuid()}"
        assert mode(path.parent) == 0o700

    @pytest.mark.parametrize("value", ["", "relative/run", "/nowhere/at/all"])
    def test_has_a_place_without_a_runtime_folder(self, profile, value):
        environment = {"XDG_RUNTIME_DIR": value} if value else {}
        assert str(profile.socket_path(environment).parent) == f"/tmp/tertulia-{os.geteuid()}"

    def test_is_short_enough_to_bind_however_long_the_names_are(self, tmp_path):
        deep = tmp_path / ("d" * 100)
        deep.mkdir(mode=0o700)
        path = Profile.named("n" * 64, deep).socket_path({"XDG_RUNTIME_DIR": str(deep)})
        assert len(os.fsencode(path)) <= LIMIT_SOCKET
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
        path.unlink()

    def test_a_link_planted_as_its_folder_is_refused(self, profile, runtime, tmp_path):
        (tmp_path / "trap").mkdir()
        (runtime / "tertulia").symlink_to(tmp_path / "trap")
        if len(str(runtime / "tertulia")) + 17 > LIMIT_SOCKET:
            pytest.skip("SKIPPED ALOUD: the temporary folder's name is too long for a socket")
        with pytest.raises(ProfileOpen):
            profile.socket_path({"XDG_RUNTIME_DIR": str(runtime)})

    def test_a_folder_that_others_can_enter_is_refused_not_mended(self, profile, runtime):
        (runtime / "tertulia").mkdir(mode=0o755)
        if len(str(runtime / "tertulia")) + 17 > LIMIT_SOCKET:
            pytest.skip("SKIPPED ALOUD: the temporary folder's name is too long for a socket")
        with pytest.raises(ProfileOpen):
            profile.socket_path({"XDG_RUNTIME_DIR": str(runtime)})

    def test_is_told_to_clients_and_taken_back(self, profile, tmp_path):
        profile.write_socket(tmp_path / "s")
        assert profile.socket_file.read_text() == f"{tmp_path / 's'}\n"
        profile.remove_socket()
        profile.remove_socket()
        assert not profile.socket_file.exists()


class TestAVaultWithoutItsWrap:
    def test_is_moved_out_of_the_way_and_never_lost(self, profile):
        assert profile.is_new
        assert profile.set_aside_vault() is None
        for round_, content in ((1, b"one"), (2, b"two")):
            profile.vault.write_bytes(content)
            profile.vault.with_name("vault.db-wal").write_bytes(b"log of " + content)
            assert profile.set_aside_vault() == profile.folder / f"vault.db.left-{round_}"
        assert {path.name: path.read_bytes() for path in profile.folder.iterdir()} == {
            "vault.db.left-1": b"one",
            "vault.db.left-1-wal": b"log of one",
            "vault.db.left-2": b"two",
            "vault.db.left-2-wal": b"log of two",
        }

    def test_is_not_touched_while_the_wrap_is_there(self, profile):
        profile.vault.write_bytes(b"x")
        profile.wrap.write_bytes(b"x")
        assert not profile.is_new
        with pytest.raises(AssertionError):
            profile.set_aside_vault()
        assert profile.vault.read_bytes() == b"x"
