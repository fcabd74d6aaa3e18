"""`tertulia check FILE`, by a stranger: no profile, no node, and a sentence for whatever is wrong with the file."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tertulia.bootstrap.outcome import checking
from tertulia.bootstrap.outcome.__main__ import main
from tertulia.bootstrap.outcome.page import markdown
from tertulia.protocol.errors import LocalError, RejectReason
from tertulia.protocol.outcome_record import LIMIT_PUBLISHED, MAGIC

TOLD = json.loads((Path(__file__).parents[1] / "vectors" / "outcome.json").read_text("utf-8"))
FILES = {told["name"]: bytes.fromhex(told["file"]) for told in TOLD["files"]}
TERTULIA = Path(sys.executable).parent / "tertulia"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "agreed.outcome"
    path.write_bytes(FILES["two sealed it"])
    return path


def test_a_stranger_is_told_what_is_proven_and_what_is_not(good: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "TERTULIA_HOME": str(home), "HOME": str(tmp_path)}
    done = subprocess.run(
        [TERTULIA, "check", good], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == "Genuine: the joint statement “What we agreed” is as it was sealed, to the letter."
    assert "sealed by 2 (the rules ask for 2)" in lines[1]
    assert any(line.startswith("On the record: Selam, for the youth of Aldea (") for line in lines)
    assert any("has a reservation: Not without the families." in line for line in lines)
    assert lines[-2:] == ["It binds nobody.", checking.UNPROVEN]
    assert not home.exists()
    script = subprocess.run(
        [TERTULIA, "check", good, "--json"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    found = json.loads(script.stdout)
    assert (found["genuine"], found["quorum"], len(found["sealed_by"]), found["founder"]) == (True, 2, 2, False)
    assert {one["name"] for one in found["on_record"]} == {"Selam, for the youth of Aldea", "Amina"}


def test_a_note_that_nobody_endorsed_says_so(tmp_path: Path) -> None:
    path = tmp_path / "quiet.outcome"
    path.write_bytes(FILES["nobody on the record"])
    assert "Nobody endorsed it on the record." in checking.sentences(checking.read(path))


@pytest.mark.parametrize("told", [told for told in TOLD["files"] if told["is"] != "ok"], ids=lambda told: told["name"])
def test_whatever_is_wrong_is_one_sentence(told: dict[str, str], tmp_path: Path, capsys) -> None:
    path = tmp_path / "strange.outcome"
    path.write_bytes(bytes.fromhex(told["file"]))
    assert main(["check", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [checking.WHY[RejectReason(told["is"])], checking.SAFE, checking.ASK]
    assert main(["check", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"] == checking.WHY[RejectReason(told["is"])]


def test_a_file_without_end_is_read_no_further_than_an_outcome_can_be(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.write(MAGIC)
        file.truncate(1 << 40)
    with pytest.raises(LocalError, match="larger than any outcome") as refused:
        checking.read(path)
    assert refused.value.problem.next == checking.ASK
    assert LIMIT_PUBLISHED < 1 << 21


def test_what_is_not_there_and_what_is_not_understood(tmp_path: Path, capsys) -> None:
    assert main(["check", str(tmp_path / "nothing")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert main(["dance"]) == 2


# -- on a page ---------------------------------------------------------------------------------------------------------


def test_a_page_has_everything_and_says_what_is_not_proven(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "agreed.md"
    assert main(["page", str(good), str(out)]) == 0
    page = out.read_text("utf-8")
    for words in (
        "# What we agreed\n",
        "Joint statement, in a personal capacity. It binds nobody. Drafted on 2026-05-21.",
        "## fr\n\nCinquante visites avant juin\\.",
        "**A pilot** Fifty visits by June\\. (9 agree, 2 disagree, 1 pass, 0 block)",
        "**Write the form** Selam, for the youth of Aldea does it. By 2026-05-20.",
        "> June is too soon\\.\n\nAnswer: July, then\\.",
        "Some of those who were there: Some of us would have waited\\.",
        "- Selam, for the youth of Aldea (",
        ", with a reservation: Not without the families\\.",
        checking.UNPROVEN,
    ):
        assert words in page, words
    assert main(["page", str(good), str(out), "--json"]) == 1  # it is there already
    assert out.read_text("utf-8") == page


def test_a_page_shows_words_and_nothing_else() -> None:
    published = checking.read_published(FILES["nobody on the record"])
    evil = "# Big\n[link](https://example.org) <script>x</script> ![p](x) `code`\n\n- a\x1b[2J"
    conclusion = replace(published.record.conclusion, title=evil, text=evil)
    simulated = replace(published.record, conclusion=conclusion, simulation=True, binding=True, dissent=(), day=2**31)
    page = markdown(replace(published, record=replace(simulated, minorities=(), cited=())))
    assert page.splitlines()[0].startswith("# \\# Big \\[link\\]\\(https\\:")
    for raw in ("[link]", "<script", "](", "\x1b", "`code`", "\n- a"):
        assert raw not in page
    assert "**SIMULATION" in page
    assert "binds who endorsed it" in page
    assert "9999-12-31" in page
    assert "Nobody endorsed it on the record." in page
