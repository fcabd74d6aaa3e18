"""The verbs about a community's card: what they ask of the node, and what a person reads."""

import json
import os
from pathlib import Path

import pytest
from fake_node import NodeThread, populated

from tertulia.tui.cli.command import run
from tertulia.tui.phrases import status_words
from tertulia.tui.relay_words import community_lines, lan_line

ADDRESS = "/dns4/relay.example.org/tcp/4001/p2p/12D3KooWLisboa"


@pytest.fixture
def node(tmp_path, monkeypatch):
    monkeypatch.setenv("TERTULIA_HOME", str(tmp_path))
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with NodeThread(lambda: populated(tmp_path / "main")) as node:
            yield node


def say(capsys, *arguments: str, code: int = 0) -> str:
    assert run(list(arguments)) == code
    told = capsys.readouterr()
    return told.out if code == 0 else told.err


def test_a_relay_is_listed_shown_and_taken_off(node, capsys):
    assert "has no card yet" in say(capsys, "commons", "card")
    assert "No community" in say(capsys, "commons", "relays", "list", "--community", "Elsewhere")
    told = say(capsys, "commons", "relays", "add", ADDRESS, "--words", "Lisboa")
    assert "Published" in told
    assert "Invites made from now on lead to a relay" in told
    assert ("commons.relays.add", {"address": ADDRESS, "words": "Lisboa", "seed": False}) in node.calls
    card = say(capsys, "commons", "card")
    assert f"Relay Lisboa  {ADDRESS}" in card
    assert "(you)" in card
    assert "lacking 1 signature" in card
    assert "If one of these keys is lost" in card
    assert "Compare the keys above" in card
    listed = say(capsys, "commons", "relays", "list")
    assert "Harbour: Lisboa  fed" in listed
    assert "Lisboa sees this machine's address." in listed
    assert "Relay Lisboa: fed." in say(capsys, "status")
    waits = say(capsys, "commons", "relays", "add", ADDRESS, "--community", "Harbour")
    assert "1 more steward has to agree with: tertulia commons sign ca02" in waits
    assert "Published" in say(capsys, "commons", "relays", "remove", "Lisboa")
    assert "tried from now on" in say(capsys, "commons", "relays", "try", ADDRESS)


def test_stewards_decide_together(node, capsys):
    key = say(capsys, "commons", "stewards", "key").strip()
    assert len(key) == 64
    assert "2 more stewards have" in say(capsys, "commons", "stewards", "add", key, "--quorum", "2")
    assert ("commons.stewards.add", {"steward": key, "quorum": 2}) in node.calls
    assert "Published" in say(capsys, "commons", "stewards", "remove", key)
    heir = "ab" * 32
    told = say(capsys, "commons", "stewards", "succeed", key, heir)
    assert "1 more steward has to agree with: tertulia commons sign ca02" in told
    assert ("commons.stewards.succeed", {"steward": key, "successor": heir}) in node.calls
    assert "Published" in say(capsys, "commons", "sign", "ca02")
    assert "Published" in say(capsys, "commons", "renew")


def test_a_barer_reach_is_asked_for_first(node, capsys):
    refused = say(capsys, "commons", "reach", "direct", code=1)
    assert "no terminal to ask" in refused
    assert not [call for call in node.calls if call[0] == "commons.reach"]
    assert "directly" in say(capsys, "commons", "reach", "direct", "--yes")
    assert "Relays alone" in say(capsys, "commons", "reach", "relayed")
    assert run(["commons", "reach", "shielded", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]


def test_the_local_network_is_asked_for_first(node, capsys):
    refused = say(capsys, "commons", "lan", "on", code=1)
    assert "no terminal to ask" in refused
    assert not [call for call in node.calls if call[0] == "commons.lan"]
    assert "looked for" in say(capsys, "commons", "lan", "on", "--yes")
    assert ("commons.lan", {"on": True}) in node.calls
    assert "Nobody is looked for" in say(capsys, "commons", "lan", "off")
    assert ("commons.lan", {"on": False}) in node.calls


def test_the_own_address_is_shown_to_pass_on(node, capsys):
    node.commons.append({"commons": "c0ffee", "name": "Harbour", "relays": [], "addresses": []})
    assert "Nobody can dial this machine" in say(capsys, "commons", "address")
    node.commons[-1]["addresses"] = ["/ip4/192.168.1.7/tcp/4001/p2p/12D3\x1b[31mKoo"]
    shown = say(capsys, "commons", "address", "--community", "harbour")
    assert shown == "Harbour: /ip4/192.168.1.7/tcp/4001/p2p/12D3[31mKoo\n"
    assert "Nobody can dial" in say(capsys, "commons", "address", "--community", "elsewhere")


def test_the_status_line_counts_neighbours_apart_from_relays():
    def line(width, **more):
        return status_words({"state": "unlocked", "commons": [{"peers": 2, "reach": "relayed", **more}]}, width)

    fed = [{"name": "Lisboa", "state": "fed"}]
    assert line(100, relays=fed, nearby=1) == (
        "relayed by Lisboa, and 1 device on this network: they alone see your address"
    )
    assert line(100, nearby=2) == "no relay, but 2 devices on this network: they alone see your address"
    assert line(50, nearby=2) == "2 connected, see your address"
    row = {"name": "Aldea", "reach": "relayed", "sees": "Nobody does."}
    assert lan_line(row | {"lan": "off"}) == ""
    assert community_lines(row | {"lan": "on"})[-1].endswith("nobody found yet.")
    assert community_lines(row | {"lan": "on", "nearby": 3})[-1].endswith("3 found.")
    nowhere = "This machine is on no local network."
    assert nowhere in community_lines(row | {"lan": nowhere})


def test_the_status_line_names_the_relays():
    def line(width, **more):
        return status_words({"state": "unlocked", "commons": [{"peers": 2, "reach": "relayed", **more}]}, width)

    fed = [{"name": "Lisboa", "state": "fed"}, {"name": "Porto", "state": "away"}, {"name": "Faro", "state": "fed"}]
    assert line(100, relays=fed) == "relayed by Faro and Lisboa: they alone see your address"
    assert line(50, relays=fed) == "2 relays see your address"
    assert line(100) == "2 devices connected"
