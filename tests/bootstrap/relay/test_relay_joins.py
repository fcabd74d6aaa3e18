"""An operator joins by a member's ticket alone: the relay finds the founder's node, carries, and opens nothing."""

from __future__ import annotations

import trio
from relays import RelayProcess
from waiting import eventually

from tertulia.node.citizen import open_citizen
from tertulia.node.config import Config

PASSPHRASE = "a passphrase for this test"
WORDS = "the words that only members read"


async def test_a_ticket_is_all_a_relay_needs(tmp_path) -> None:
    one = RelayProcess(tmp_path / "relay")
    one.init()
    one.start()
    try:
        await one.answers()
        async with open_citizen(tmp_path / "ana", Config()) as ana:
            await ana.call("init", {"nick": "Ana", "passphrase": PASSPHRASE, "kdf_mib": 8, "kdf_ops": 1})
            await ana.call("commons.new", {"name": "Madrid", "listen": "/ip4/127.0.0.1/tcp/0"})
            talk = (await ana.call("dialogue.new", {"title": "Talk"}))["dialogue"]
            await ana.call("invite", {"dialogue": talk})
            ticket = (await ana.call("commons.ticket"))["ticket"]
            assert isinstance(ticket, str)
            told = await trio.to_thread.run_sync(one.verb, "allow", ticket)
            assert told["name"] == "Madrid"
            await ana.call("say", {"dialogue": talk, "text": WORDS})

            async def kept() -> int:
                status = await trio.to_thread.run_sync(one.verb, "status")
                return int(status["communities"][0]["frames"])

            await eventually(kept, 60)
        assert one.end() == 0
        held = b"".join(path.read_bytes() for path in one.folder.iterdir() if path.is_file())
        assert WORDS.encode() not in held
        assert b"Madrid" not in held
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.communicate()
