"""Panic: locked or not, and without the passphrase, nobody opens this vault again. docs/spec/control.md."""

from __future__ import annotations

import shutil

import pytest
from citizens import PASSPHRASE, Config, found, open_citizen

from tertulia.protocol.errors import LocalError

CANARY = "the well is behind the chapel"


@pytest.mark.parametrize("locked", [True, False])
async def test_after_panic_nothing_opens_the_vault_and_no_word_is_left(tmp_path, locked) -> None:
    folder, copies = tmp_path / "ana", tmp_path / "copies"
    async with open_citizen(folder, Config()) as ana:
        talk = await found(ana, "Ana")
        await ana.call("say", {"dialogue": talk, "text": CANARY})
        copies.mkdir()
        for path in folder.glob("vault.db*"):  # as a thief has them who came before
            shutil.copy(path, copies)
        if locked:
            await ana.call("lock")
        assert (await ana.call("panic"))["state"] == "new"
        assert ana.methods.stopping.is_set()
        with pytest.raises(LocalError):
            await ana.call("unlock", {"passphrase": PASSPHRASE})
    left = [path for path in folder.rglob("*") if path.is_file()]
    assert not any(path.name.startswith(("vault", "archive")) for path in left)
    assert not any(CANARY.encode() in path.read_bytes() for path in left)
    for path in copies.iterdir():
        shutil.copy(path, folder)
    async with open_citizen(folder, Config()) as thief:
        with pytest.raises(LocalError):
            await thief.call("unlock", {"passphrase": PASSPHRASE})
        assert thief.methods.status()["state"] == "new"
    assert not any(CANARY.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_profile_with_nobody_in_it_has_nothing_to_destroy(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        with pytest.raises(LocalError):
            await ana.call("panic")
        assert not ana.methods.stopping.is_set()
