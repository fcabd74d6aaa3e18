"""The export gives the dialogue that issue 2 counts: 26 people and author 0, 36 accepted statements."""

import csv
from importlib.resources import files
from pathlib import Path

import pytest

from tertulia.bootstrap import demo
from tertulia.bootstrap.demo.polis import FOUNDER, conversation


def test_27_citizens_and_36_statements():
    read = conversation()
    assert read.citizens == tuple(range(27))
    assert len(read.statements) == 36
    assert read.expected == 972
    assert read.topic.startswith("What is the best way to engage more young people")


def test_statements_come_in_the_order_of_their_writing_each_under_its_author():
    read = conversation()
    assert read.statements[0].author == FOUNDER
    assert read.statements[0].text == "I am between 15 and 19 years old."
    assert read.statements[-1].author == 23
    assert {statement.author for statement in read.statements} <= set(read.citizens)
    assert len({statement.author for statement in read.statements}) == 16  # `commenters` of summary.csv


def test_what_the_moderator_refused_is_not_said():
    texts = {statement.text for statement in conversation().statements}
    folder = files(demo) / "data" / "london.youth.policing"
    with (folder / "comments.csv").open(encoding="utf-8", newline="") as file:
        refused = [row["comment-body"] for row in csv.DictReader(file) if row["moderated"] != "1"]
    assert len(refused) == 3
    assert texts.isdisjoint(refused)
    assert len(texts) == 36


def test_another_folder_may_be_read_and_a_wrong_one_is_an_error(tmp_path: Path):
    (tmp_path / "summary.csv").write_text("topic,Tea or coffee?\nvoters,2\n", encoding="utf-8")
    (tmp_path / "comments.csv").write_text(
        "timestamp,comment-id,author-id,moderated,comment-body\n5,1,2,1,Tea\x07 please\n4,0,0,1,Coffee\n3,2,1,-1,No\n",
        encoding="utf-8",
    )
    (tmp_path / "participants-votes.csv").write_text("participant\n1\n2\n", encoding="utf-8")
    (tmp_path / "votes.csv").write_text("timestamp,comment-id,voter-id,vote\n", encoding="utf-8")
    read = conversation(tmp_path)
    assert read.citizens == (0, 1, 2)
    assert [(statement.author, statement.text) for statement in read.statements] == [(0, "Coffee"), (2, "Tea please")]
    (tmp_path / "comments.csv").write_text("timestamp\n1\n", encoding="utf-8")
    with pytest.raises(KeyError):
        conversation(tmp_path)


def test_638_votes_of_which_two_were_changed_come_in_the_order_of_their_own_timestamps():
    read = conversation()
    assert (len(read.votes), len(read.stands)) == (640, 638)
    assert [vote.time for vote in read.votes] == sorted(vote.time for vote in read.votes)
    last = {(vote.citizen, vote.statement): vote.value for vote in read.votes}
    assert last == read.stands  # the two files agree on where everybody stands in the end


def test_tallies_are_those_of_the_participants_file():
    folder = files(demo) / "data" / "london.youth.policing"
    with (folder / "participants-votes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for statement in (read := conversation()).statements:
        column = [row[str(statement.number)] for row in rows]
        assert read.tallies[statement.text] == (column.count("1"), column.count("-1"), column.count("0"))
