"""The tables of methods and views, and what a call outside them is told."""

from pathlib import Path

import pytest

from tertulia.protocol.errors import LocalError
from tertulia.protocol.methods import LIMIT_TEXTS, METHODS, VIEWS, Kind, check_call, check_watch

GOOD = {Kind.TEXT: "a", Kind.INT: 1, Kind.FLAG: True, Kind.TEXTS: ["a", "b"]}
BAD = {
    Kind.TEXT: [1, None, b"a"], Kind.INT: ["1", True], Kind.FLAG: [1, None],
    Kind.TEXTS: ["a", [1], ["a"] * (LIMIT_TEXTS + 1)],
}  # fmt: skip


def full(known):
    return {name: GOOD[kind] for name, kind in {**known.needs, **known.may}.items()}


@pytest.mark.parametrize("name", METHODS)
def test_a_call_may_hold_all_its_parameters_or_just_those_it_needs(name):
    known = METHODS[name]
    check_call(name, full(known))
    check_call(name, {need: GOOD[kind] for need, kind in known.needs.items()})


@pytest.mark.parametrize("name", VIEWS)
def test_a_watch_may_hold_all_its_parameters(name):
    check_watch(name, full(VIEWS[name]))


@pytest.mark.parametrize("name", METHODS)
def test_a_missing_a_surplus_or_a_mistyped_parameter_is_named(name):
    known = METHODS[name]
    for need in known.needs:
        with pytest.raises(LocalError, match=f"without its '{need}'"):
            check_call(name, {given: value for given, value in full(known).items() if given != need})
    with pytest.raises(LocalError, match="takes no 'swordfish'"):
        check_call(name, {**full(known), "swordfish": 1})
    for given, kind in {**known.needs, **known.may}.items():
        for value in BAD[kind]:
            with pytest.raises(LocalError, match=f"The '{given}' of the request '{name}'"):
                check_call(name, {**full(known), given: value})


def test_unknown_names_are_said():
    with pytest.raises(LocalError, match="does not know the request 'fly'"):
        check_call("fly", {})
    with pytest.raises(LocalError, match="does not know the view 'sky'"):
        check_watch("sky", {})
    with pytest.raises(LocalError, match="without its 'dialogue'"):
        check_watch("messages", {})


def test_a_refused_parameters_value_is_never_repeated():
    with pytest.raises(LocalError) as refused:
        check_call("unlock", {"passphrase": b"swordfish"})
    assert "swordfish" not in repr(refused.value.problem)


def test_a_list_parameter_is_bounded():
    check_call("commons.new", {"name": "a", "announce": ["a"] * LIMIT_TEXTS})
    with pytest.raises(LocalError):
        check_call("commons.new", {"name": "a", "announce": ["a"] * (LIMIT_TEXTS + 1)})


def rows_of(section):
    page = (Path(__file__).parents[2] / "docs" / "spec" / "control.md").read_text("utf-8")
    lines = page.split(f"## {section}\n")[1].split("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("| `")]
    return {line.split("|")[1].strip(" `"): [cell.strip() for cell in line.split("|")[2:4]] for line in table}


def said(known, fields):
    needs = [f"{name} {kind}" for name, kind in known.needs.items()]
    may = [f"{name}? {kind}" for name, kind in known.may.items()]
    return [", ".join(needs + may), ", ".join(fields)]


def test_the_spec_s_tables_are_the_code_s():
    assert rows_of("Methods") == {name: said(known, known.result) for name, known in METHODS.items()}
    assert rows_of("Views") == {name: said(known, known.row) for name, known in VIEWS.items()}
