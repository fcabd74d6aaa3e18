"""The verbs of files, in words and in JSON."""

import json

import pytest
from fake_node import NodeThread, populated

from tertulia.tui.cli.command import run
from tertulia.tui.cli.resource_verbs import size_of


@pytest.mark.parametrize(("size", "words"), [(5, "5 bytes"), (2048, "2.0 KiB"), (64 << 20, "64.0 MiB")])
def test_a_size_as_people_say_it(size, words):
    assert size_of(size) == words


def test_a_file_is_added_listed_and_fetched(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TERTULIA_HOME", str(tmp_path))
    file = tmp_path / "table.txt"
    with NodeThread(lambda: populated(tmp_path / "main")) as node:
        assert run(["resource", "list", "Water treaty"]) == 0
        assert "There are no files" in capsys.readouterr().out
        assert run(["resource", "add", "Water treaty", str(file), "--json"]) == 1
        assert "cannot be read" in json.loads(capsys.readouterr().out)["error"]
        file.write_text("1 2 3")
        assert run(["resource", "add", "Water treaty", str(file)]) == 0
        out = capsys.readouterr()
        assert "Added table.txt, 5 bytes." in out.out
        assert "Nothing was taken out of it" in out.err
        node.resources[0]["here"] = 40
        assert run(["resource", "list", "Water treaty"]) == 0
        listed = capsys.readouterr().out
        assert "table.txt  5 bytes  by Ana" in listed
        assert "40 % here" in listed
        assert run(["resource", "get", "Water treaty", "table.txt", str(tmp_path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["path"] == str(tmp_path / "table.txt")
        assert run(["resource", "get", "Water treaty", "none"]) == 1
