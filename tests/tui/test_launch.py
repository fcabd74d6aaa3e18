import asyncio
import os
import signal
import sys
from pathlib import Path

import fake_node
import pytest
from fake_node import FakeNode
from on_asyncio import on_asyncio

from tertulia.protocol.control import LocalError
from tertulia.tui.launch import attach, find_node, node_arguments
from tertulia.tui.profile import Profile, find_profile

FAKE = (sys.executable, fake_node.__file__)


def program(tmp_path: Path, text: str) -> tuple[str, str]:
    path = tmp_path / "program.py"
    path.write_text(text)
    return sys.executable, str(path)


async def free(profile: Profile) -> None:
    while profile.is_held():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def starts(profile: Profile) -> list[int]:
    return [int(line) for line in (profile.folder / "starts").read_text().split()]


@on_asyncio
async def test_a_node_is_started_when_none_runs_and_ends_with_its_last_client(tmp_path):
    profile = Profile(tmp_path / "home", "main")
    assert await find_node(profile) is None
    client = await attach(profile, command=FAKE)
    assert (await client.call("status"))["state"] == "new"
    assert profile.is_held()
    assert profile.folder.stat().st_mode & 0o777 == 0o700
    assert profile.log.stat().st_mode & 0o777 == 0o600
    await client.close()
    await free(profile)


@on_asyncio
async def test_clients_that_start_at_once_all_find_one_node(tmp_path):
    profile = Profile(tmp_path / "home", "main")
    clients = await asyncio.gather(*(attach(profile, command=FAKE) for _ in range(4)))
    assert len(starts(profile)) == 1
    for client in clients:
        assert (await client.call("status"))["state"] == "new"
        await client.close()
    await free(profile)


@on_asyncio
async def test_a_stale_socket_of_a_killed_node_is_passed_over(tmp_path):
    profile = Profile(tmp_path / "home", "main")
    client = await attach(profile, command=FAKE)
    ended = asyncio.Event()
    client.on_end = ended.set
    os.kill(starts(profile)[0], signal.SIGKILL)
    await ended.wait()
    assert profile.socket() is not None
    again = await attach(profile, command=FAKE)
    assert len(starts(profile)) == 2
    await again.close()
    await free(profile)


@on_asyncio
async def test_a_node_that_just_ends_is_waited_for_and_replaced(tmp_path):
    profile = Profile(tmp_path / "home", "main")
    for _ in range(3):
        client = await attach(profile, command=FAKE)
        await client.close()
    await free(profile)
    assert 1 <= len(starts(profile)) <= 3


@on_asyncio
async def test_a_node_that_cannot_start_is_told_in_its_own_words(tmp_path):
    profile = Profile(tmp_path / "home", "main")
    command = program(tmp_path, "import sys; sys.exit('config.toml: listn is no key; nearest: listen\\x1b[2J')")
    with pytest.raises(LocalError) as failed:
        await attach(profile, command=command)
    assert "nearest: listen" in failed.value.problem.error
    assert "\x1b" not in failed.value.problem.error


@on_asyncio
async def test_a_problem_the_node_leaves_as_json_is_passed_on_whole(tmp_path):
    profile = Profile(tmp_path / "home", "main")
    said = '{"error": "The vault is damaged.", "safe": "It was not touched.", "next": "Restore it."}'
    with pytest.raises(LocalError) as failed:
        await attach(profile, command=program(tmp_path, f"import sys; sys.exit({said!r})"))
    assert failed.value.problem.error == "The vault is damaged."
    assert failed.value.problem.next == "Restore it."


@on_asyncio
async def test_a_node_that_holds_the_profile_in_silence_is_told_after_the_deadline(tmp_path):
    profile = Profile(tmp_path / "home", "main")
    profile.make_folder()
    import fcntl

    with (profile.folder / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LocalError) as failed:
            await attach(profile, command=FAKE, seconds=0.1)
    assert "does not answer" in failed.value.problem.error
    assert not (profile.folder / "starts").exists()


@on_asyncio
async def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(LocalError) as failed:
        await attach(Profile(tmp_path / "home", "main"), command=FAKE)
    assert "cannot be used" in failed.value.problem.error


@on_asyncio
async def test_a_socket_file_of_zeroes_is_no_node(tmp_path):
    profile = Profile(tmp_path, "main")
    async with FakeNode(profile.folder):
        (profile.folder / "node.socket").write_bytes(b"\0\0\0")
        assert await find_node(profile) is None
        (profile.folder / "node.socket").write_bytes(b"\xff\xfe")
        with pytest.raises(LocalError):
            await find_node(profile)


def test_profiles_are_found_by_name_and_home(tmp_path):
    assert find_profile("bob", {"TERTULIA_HOME": str(tmp_path)}).folder == tmp_path / "bob"
    assert find_profile(None, {}).name == "main"
    assert find_profile(None, {}).home.is_absolute()
    for bad in ("../x", "a/b", ".", "-x", "x" * 33, "a b", "\x1b[2J"):
        with pytest.raises(LocalError):
            find_profile(bad, {})


def test_the_nodes_command_line(tmp_path):
    arguments = node_arguments(Profile(tmp_path, "bob"), resident=True)
    assert arguments[1:4] == ["-P", "-m", "tertulia.bootstrap.node"]
    assert arguments[4:] == ["--home", str(tmp_path), "--profile", "bob", "--resident"]
