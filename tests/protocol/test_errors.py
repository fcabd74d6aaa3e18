"""What goes wrong says why, and nothing more."""

import pytest

from tertulia.protocol.errors import LocalError, Problem, ProtocolError, RejectReason, RemoteError
from tertulia.protocol.ids import ID, EventId


def test_a_rejection_carries_its_reason_and_a_few_words():
    bare = RemoteError(RejectReason.MAC)
    assert (bare.reason, bare.detail, str(bare)) == (RejectReason.MAC, "", "mac")
    told = RemoteError(RejectReason.SHAPE, "not a list")
    assert (told.reason, told.detail, str(told)) == (RejectReason.SHAPE, "not a list", "shape: not a list")


def test_a_problem_is_three_sentences():
    problem = Problem("It broke.", "Nothing is lost.", "Try again.")
    wrong = LocalError(problem)
    assert wrong.problem == problem
    assert str(wrong) == "It broke."


@pytest.mark.parametrize("wrong", [RemoteError(RejectReason.TAG), LocalError(Problem("", "", ""))])
def test_both_are_protocol_errors(wrong):
    assert isinstance(wrong, ProtocolError)


def test_every_reason_is_its_own_counter():
    assert len({str(reason) for reason in RejectReason}) == len(RejectReason.__members__)


def test_ids_are_plain_bytes_of_one_size():
    assert EventId(bytes(ID)) == bytes(32)
