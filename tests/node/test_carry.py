"""Frames on a stick, between whole nodes that never meet; and files that are none. Spec: docs/spec/carrying.md."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from carriers import carrier, commons, frame, held
from citizens import LOOPBACK, admitted, found, init, invited, join, messages, open_citizen, sees

from tertulia.node.carry import MAGIC, bring
from tertulia.node.quota import Allowance
from tertulia.protocol.errors import LocalError


async def test_two_who_never_meet_again_talk_by_stick(tmp_path) -> None:
    async with open_citizen(tmp_path / "ruth") as ruth:
        dialogue = await found(ruth, "Ruth")
        async with open_citizen(tmp_path / "omar") as omar:
            await admitted(omar, await join(omar, "Omar", await invited(ruth, dialogue)))
            await ruth.call("say", {"dialogue": dialogue, "text": "While we are together."})
            await sees(omar, dialogue, "While we are together.")
        await ruth.call("carry.export", {"path": str(tmp_path / "before")})
        await ruth.call("lock")
    async with open_citizen(tmp_path / "other") as other:
        await init(other, "Other")
        await other.call("commons.new", {"name": "Elsewhere", "listen": LOOPBACK})
        assert (await other.call("carry.import", {"path": str(tmp_path / "before")}))["new"] == 0
        assert (await other.call("carry.import", {"path": str(tmp_path / "before")}))["strange"] > 0


async def test_what_one_exports_another_reads(tmp_path) -> None:
    async with open_citizen(tmp_path / "ruth") as ruth, open_citizen(tmp_path / "taker") as taker:
        dialogue = await found(ruth, "Ruth")
        joining = await join(taker, "Taker", await invited(ruth, dialogue))
        await admitted(taker, joining)
        await ruth.call("say", {"dialogue": dialogue, "text": "Take this along."})
        await sees(taker, dialogue, "Take this along.")
        stick = tmp_path / "stick"
        told = await taker.call("carry.export", {"path": str(stick)})
        assert stick.stat().st_mode & 0o777 == 0o600
        assert stick.stat().st_size == told["bytes"] + len(MAGIC)
        assert b"Take this along" not in stick.read_bytes()
        again = await ruth.call("carry.import", {"path": str(stick)})
        assert again["new"] + again["known"] == told["frames"] > 0
        assert again["known"] > 0
        assert messages(ruth, dialogue) == ["Take this along."]


async def test_files_that_are_none_are_one_sentence_each(tmp_path) -> None:
    async with open_citizen(tmp_path / "ruth") as ruth:
        await found(ruth, "Ruth")
        good = tmp_path / "good"
        await ruth.call("carry.export", {"path": str(good)})
        cases = {
            "absent": None,
            "empty": b"",
            "picture": b"\x89PNG\r\n" + bytes(4_000),
            "cut": MAGIC + bytes([1, 1, 0, 0, 0, 0]) + bytes(10),
            "class": MAGIC + bytes([1, 9]) + bytes(20_000),
            "stump": MAGIC + b"\x01",
            "half": good.read_bytes()[: good.stat().st_size // 2 + 1],
            "later": MAGIC.replace(b"1", b"2") + good.read_bytes()[len(MAGIC) :],
        }
        for name, data in cases.items():
            path = tmp_path / name
            if data is not None:
                path.write_bytes(data)
            with pytest.raises(LocalError) as caught:
                await ruth.call("carry.import", {"path": str(path)})
            assert caught.value.problem.next.endswith(".")
        junk = tmp_path / "junk"
        junk.write_bytes(MAGIC + (bytes([1, 1]) + bytes(1022)) * 300)
        taken = await ruth.call("carry.import", {"path": str(junk)})
        assert (taken["new"], taken["known"], taken["strange"] + taken["old"]) == (0, 0, 300)
        with pytest.raises(LocalError, match="there already"):
            await ruth.call("carry.export", {"path": str(good)})
        with pytest.raises(LocalError, match="could not be written"):
            await ruth.call("carry.export", {"path": str(tmp_path / "no" / "such")})


async def test_of_a_file_that_is_cut_or_damaged_what_came_before_is_kept(tmp_path) -> None:
    here = commons()
    batch = [frame(here) for _ in range(300)]  # more than is taken in at once
    whole = MAGIC + b"".join(each.raw for each in batch)
    cases = {"cut": (whole[: len(MAGIC) + 7 * 1024 + 500], 7), "damaged": (whole[:-1024] + bytes(1024), 299)}
    for name, (data, good) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        async with carrier(tmp_path / f"of {name}", here) as one:
            with pytest.raises(LocalError, match="damaged or cut off"):
                await bring([SimpleNamespace(carrier=one)], path)
            assert await held(one) == {each.id for each in batch[:good]}


async def test_a_file_brings_no_more_in_a_day_than_a_neighbour(tmp_path) -> None:
    here = commons()
    batch = [frame(here) for _ in range(12)]
    path = tmp_path / "file"
    path.write_bytes(MAGIC + b"".join(each.raw for each in batch))
    async with carrier(tmp_path / "a", here, daily=Allowance(frames=10)) as one:
        for _ in range(2):
            with pytest.raises(LocalError, match="on one day"):
                await bring([SimpleNamespace(carrier=one)], path)
            assert await held(one) == {each.id for each in batch[:10]}
