"""The archive: what is carried is kept once, listed in order, and evicted by the minute, whatever its tag."""

import os
from pathlib import Path

import pytest

from tertulia.node.store import archive
from tertulia.node.store.archive import Archive, CommonsRow, UnknownCommons, Usage, archive_key
from tertulia.node.store.problems import StoreDamaged
from tertulia.protocol.ids import CommonsId, FrameId

KEY = bytes(range(32))
HERE, THERE = CommonsId(b"h" * 32), CommonsId(b"t" * 32)


def frame(minute: int, number: int, size: int = 1024) -> tuple[FrameId, int, bytes]:
    return FrameId(number.to_bytes(32, "big")), minute, number.to_bytes(4, "big") * (size // 4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "archive.db"


@pytest.fixture
def kept(path):
    made = Archive.create(path, KEY)
    made.put_commons(HERE, b"record of here")
    made.put_commons(THERE, b"record of there")
    yield made
    made.close()


class TestFrames:
    def test_are_new_once(self, kept):
        one, two, three = frame(10, 1), frame(10, 2), frame(11, 3)
        assert kept.add(HERE, [one, two], 5) == {one[0], two[0]}
        assert kept.add(HERE, [two, three, three], 6) == {three[0]}
        assert kept.add(HERE, [], 7) == set()
        assert kept.usage(HERE) == Usage(3, 3 * 1024)

    def test_of_two_commons_do_not_mix(self, kept):
        one = frame(10, 1)
        assert kept.add(HERE, [one], 5) == {one[0]}
        assert not kept.holds(THERE, one[0])
        assert kept.get(THERE, [one[0]]) == []
        assert kept.ids_from(THERE, 0) == []
        assert list(kept.between(THERE, 0, 100)) == []
        assert kept.add(THERE, [one], 6) == {one[0]}
        assert kept.evict(THERE, 11) == 1
        assert kept.holds(HERE, one[0])

    def test_come_back_byte_for_byte_in_the_order_asked(self, kept):
        one, two = frame(10, 1, 16_384), frame(9, 2, 4096)
        kept.add(HERE, [one, two], 5)
        assert kept.get(HERE, [two[0], FrameId(bytes(32)), one[0]]) == [two[2], one[2]]

    def test_of_an_unknown_commons_are_the_callers_mistake(self, kept):
        unknown = CommonsId(b"u" * 32)
        for call in (
            lambda: kept.add(unknown, [frame(1, 1)], 5),
            lambda: kept.put_seed(unknown, bytes(32)),
            lambda: kept.holds(unknown, FrameId(bytes(32))),
        ):
            with pytest.raises(UnknownCommons):
                call()
        assert kept.usage(HERE) == Usage(0, 0)

    def test_outlive_closing(self, kept, path):
        one = frame(10, 1)
        kept.add(HERE, [one], 5)
        kept.close()
        again = Archive.open(path, KEY)
        assert again.get(HERE, [one[0]]) == [one[2]]
        again.close()


class TestListing:
    def test_pages_meet_without_gap_or_overlap(self, kept):
        frames = [frame(10 + number % 7, number * 7919 % 100_003) for number in range(2_500)]
        kept.add(HERE, frames, 5)
        expected = sorted((minute, name) for name, minute, _ in frames if minute >= 12)
        listed, after = [], None
        while page := kept.ids_from(HERE, 12, after):
            assert len(page) <= archive.LIMIT_IDS
            listed += page
            after = page[-1]
        assert listed == expected

    def test_a_cursor_before_the_first_minute_starts_there(self, kept):
        kept.add(HERE, [frame(10, 1), frame(20, 2)], 5)
        assert kept.ids_from(HERE, 15, (3, FrameId(bytes(32)))) == [(20, frame(20, 2)[0])]
        assert kept.ids_from(HERE, 0, None, 1) == [(10, frame(10, 1)[0])]

    def test_between_takes_both_ends_over_many_pages(self, kept):
        frames = [frame(minute, minute * 1000 + number) for minute in range(8, 14) for number in range(150)]
        kept.add(HERE, frames, 5)
        expected = [raw for _, minute, raw in sorted(frames, key=lambda row: (row[1], row[0])) if 9 <= minute <= 12]
        assert len(expected) > 2 * archive.LIMIT_FRAMES
        assert list(kept.between(HERE, 9, 12)) == expected
        assert list(kept.between(HERE, 12, 9)) == []

    def test_between_goes_on_while_frames_arrive(self, kept):
        kept.add(HERE, [frame(10, number) for number in range(300)], 5)
        seen = 0
        for _ in kept.between(HERE, 10, 11):
            if seen == 0:
                kept.add(HERE, [frame(11, 999)], 6)
            seen += 1
        assert seen == 301


class TestEviction:
    def test_takes_whole_minutes_and_nothing_else(self, kept):
        frames = [frame(minute, minute * 10_000 + number) for minute in (8, 9, 10) for number in range(1_500)]
        kept.add(HERE, frames, 5)
        assert kept.evict(HERE, 10) == 3_000 > archive.LIMIT_EVICTED
        assert kept.usage(HERE) == Usage(1_500, 1_500 * 1024)
        assert kept.ids_from(HERE, 0)[0][0] == 10
        assert kept.evict(HERE, 10) == 0

    def test_does_not_depend_on_what_the_frames_hold(self, path, tmp_path):
        """W5: the same ids and minutes with other bytes give the same answers and the same evictions."""
        answers = []
        for number, filler in enumerate((b"\x00", b"\xff", None)):
            made = Archive.create(tmp_path / f"{number}.db", KEY)
            made.put_commons(HERE, b"")
            frames = [
                (name, minute, os.urandom(1024) if filler is None else filler * 1024)
                for name, minute, _ in (frame(10 + n % 3, n) for n in range(200))
            ]
            first = made.add(HERE, frames, 5)
            answers.append((first, made.ids_from(HERE, 11), made.evict(HERE, 11), made.usage(HERE)))
            made.close()
        assert answers[0] == answers[1] == answers[2]


class TestWhatALockedNodeNeeds:
    def test_commons_keep_seed_and_frames_when_their_record_changes(self, kept):
        kept.add(HERE, [frame(10, 1)], 5)
        kept.put_seed(HERE, b"s" * 32)
        kept.put_commons(HERE, b"a newer record")
        assert kept.commons() == [
            CommonsRow(HERE, b"a newer record", b"s" * 32),
            CommonsRow(THERE, b"record of there", None),
        ]
        assert kept.usage(HERE).frames == 1
        kept.put_seed(HERE, None)
        assert kept.commons()[0].seed is None

    def test_settings_come_back(self, kept, path):
        assert kept.setting("keep") is None
        kept.put_setting("keep", b"\x00")
        kept.put_setting("keep", b"\x01")
        kept.close()
        again = Archive.open(path, KEY)
        assert again.setting("keep") == b"\x01"
        again.close()

    def test_seeds_and_records_are_in_no_repr(self):
        assert repr(CommonsRow(HERE, b"secret record", b"secret seed")) == f"CommonsRow(commons={HERE!r})"


class TestAtRest:
    def test_nothing_kept_is_readable_in_any_file(self, kept, path):
        raw = b"canary: a frame as it travels" * 40
        kept.add(HERE, [(FrameId(b"canary: a frame id that we keep!"), 10, raw)], 5)
        kept.put_commons(HERE, b"canary: a commons key, really")
        kept.put_seed(HERE, b"canary: the seed of our peer id!")
        kept.put_setting("canary: name", b"canary: value")
        during = {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}
        kept.close()
        assert set(during) == {"archive.db", "archive.db-wal"}
        for name, data in (*during.items(), (path.name, path.read_bytes())):
            assert b"canary" not in data, name
            assert HERE not in data, name

    @pytest.mark.parametrize("damage", [lambda d: d[:-100], lambda d: d[:5000] + b"x" + d[5001:], lambda _: b""])
    def test_a_damaged_archive_is_refused_and_left_alone(self, kept, path, damage):
        kept.add(HERE, [frame(10, number) for number in range(50)], 5)
        kept.close()
        path.write_bytes(damage(path.read_bytes()))
        before = path.read_bytes()
        with pytest.raises(StoreDamaged) as caught:
            Archive.open(path, KEY)
        assert "(the archive) is damaged" in caught.value.problem.error
        assert path.read_bytes() == before


class TestItsKey:
    def test_is_made_once_private_and_random(self, tmp_path):
        path = tmp_path / "archive.key"
        key = archive_key(path)
        assert len(key) == 32
        assert archive_key(path) == key == path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
        assert archive_key(tmp_path / "another") != key

    def test_that_is_lost_is_not_replaced_by_one_that_opens_nothing(self, tmp_path: Path):
        Archive.create(tmp_path / "archive.db", KEY).close()
        with pytest.raises(StoreDamaged) as caught:
            archive_key(tmp_path / "archive.key")
        assert "archive.key (the archive's key) is missing" in caught.value.problem.error
        assert [entry.name for entry in tmp_path.iterdir()] == ["archive.db"]

    @pytest.mark.parametrize("content", [b"", bytes(31), bytes(33)])
    def test_that_is_damaged_is_refused_not_replaced(self, tmp_path: Path, content: bytes):
        path = tmp_path / "archive.key"
        path.write_bytes(content)
        with pytest.raises(StoreDamaged):
            archive_key(path)
        assert path.read_bytes() == content
