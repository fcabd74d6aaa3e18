"""The search is believed only after it found a planted leak in each kind of place; a blind one is caught."""

from collections import Counter
from pathlib import Path

import pytest

from tertulia.bootstrap.demo import proof
from tertulia.bootstrap.demo.needles import Needles, needles
from tertulia.bootstrap.demo.places import COMMUNITY_LABEL, search_archive, search_files
from tertulia.bootstrap.demo.proof import Untrustworthy, prove
from tertulia.node.profile import Profile
from tertulia.node.store.archive import Archive, archive_key
from tertulia.protocol.ids import CommonsId, FrameId

TEXTS = {
    "statement 1": "Global transparency is a must",
    "nickname": "Young Londoner 03",
    COMMUNITY_LABEL: "London youth on policing",
}
WANTED = needles(TEXTS)


async def test_the_search_proves_itself(tmp_path: Path):
    await prove(WANTED, TEXTS, tmp_path)


async def test_a_search_that_misses_one_text_is_not_believed(tmp_path: Path):
    with pytest.raises(Untrustworthy, match=r"payloads.*statement 1"):
        await prove(WANTED, {label: text for label, text in TEXTS.items() if label != "statement 1"}, tmp_path)


@pytest.mark.parametrize("place", ["search_archive", "search_files"])
async def test_a_search_that_is_blind_in_one_place_is_not_believed(place: str, tmp_path: Path, monkeypatch):
    seeing = getattr(proof, place)

    def blind(wanted: Needles, where):
        looked = seeing(wanted, where)
        looked.found = Counter()
        return looked

    monkeypatch.setattr(proof, place, blind)
    with pytest.raises(Untrustworthy, match="did not find"):
        await prove(WANTED, TEXTS, tmp_path)


def test_the_name_of_a_community_may_stand_in_its_own_record_and_nowhere_else(tmp_path: Path):
    profile = Profile(tmp_path / "one")
    profile.prepare()
    commons = CommonsId(bytes(32))
    archive = Archive.create(profile.archive, archive_key(profile.archive_key))
    archive.put_commons(commons, b"\x81" + TEXTS[COMMUNITY_LABEL].encode())
    archive.close()
    assert not search_archive(WANTED, profile).found
    archive = Archive.open(profile.archive, archive_key(profile.archive_key))
    archive.put_setting("note", TEXTS["nickname"].encode())
    archive.add(commons, [(FrameId(bytes(32)), 1, TEXTS[COMMUNITY_LABEL].encode())], 1)
    archive.close()
    assert search_archive(WANTED, profile).found == {"nickname": 1, COMMUNITY_LABEL: 1}
    assert not search_files(WANTED, tmp_path).found


def test_files_are_searched_by_content_and_by_name(tmp_path: Path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "node.log").write_bytes(bytes(1_048_570) + TEXTS["statement 1"].encode())
    (tmp_path / TEXTS["nickname"]).write_bytes(b"")
    looked = search_files(WANTED, tmp_path)
    assert set(looked.found) == {"statement 1", "nickname"}
    assert looked.things == 2
