"""The search for plaintext finds what leaked, wherever it was cut, and is silent about what did not."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.bootstrap.demo.needles import WINDOW, Flow, Unsearchable, needles, search
from tertulia.bootstrap.demo.polis import conversation

TEXT = "To offer the young people incentives"
WANTED = needles({"statement 15": TEXT, "nickname": "Young Londoner 03"})
NOISE = os.urandom(200_000)


def test_ciphertext_holds_nothing():
    assert not search(WANTED, [NOISE[at : at + 1_100] for at in range(0, len(NOISE), 1_100)]).found


def test_a_text_in_the_middle_of_ciphertext_is_found_once():
    found = search(WANTED, [NOISE[:70_000] + TEXT.encode() + NOISE[70_000:]]).found
    assert found == {"statement 15": 1}


@given(cut=st.integers(0, len(TEXT)), before=st.binary(max_size=40), after=st.binary(max_size=40))
def test_a_text_cut_at_any_border_of_two_chunks_is_found(cut: int, before: bytes, after: bytes):
    data = TEXT.encode()
    assert search(WANTED, [before + data[:cut], data[cut:] + after]).found["statement 15"] >= 1


@given(size=st.integers(1, 30))
def test_a_text_in_many_small_chunks_is_found(size: int):
    data = b"\0" * 17 + TEXT.encode() + b"\0" * 17
    assert search(WANTED, [data[at : at + size] for at in range(0, len(data), size)]).found["statement 15"] >= 1


@given(at=st.integers(0, len(TEXT) - WINDOW))
def test_any_piece_of_a_dozen_bytes_is_enough(at: int):
    piece = TEXT.encode()[at : at + WINDOW]
    assert WANTED.find(b"\xff" + piece + b"\xff")["statement 15"] == 1
    assert not WANTED.find(b"\xff" + piece[:-1] + b"\xff" + piece[1:] + b"\xff")



def test_a_text_is_counted_each_time():
    assert WANTED.find(TEXT.encode() + b"\0" + TEXT.encode()) == {"statement 15": 2}


def test_letters_that_are_not_ours_are_no_hit():
    assert not WANTED.find(b"/tertulia/sync/1 and other readable words that travel: young folk in general, incentiv")


def test_a_flow_counts_what_it_saw():
    flow = Flow(WANTED)
    flow.feed(b"abc")
    flow.feed(TEXT.encode())
    assert flow.size == 3 + len(TEXT)
    assert flow.found.total() == 1


def test_a_text_without_enough_plain_letters_cannot_be_searched_for():
    with pytest.raises(Unsearchable, match="short"):
        needles({"long": TEXT, "short": "too short"})
    with pytest.raises(Unsearchable, match="second"):
        needles({"first": TEXT, "second": TEXT})


def test_a_label_can_be_left_out():
    assert WANTED.without("nickname").labels == {"statement 15"}
    assert not WANTED.without("nickname").find(b"Young Londoner 03")


def test_every_statement_of_the_dialogue_can_be_searched_for():
    talk = conversation()
    texts = {f"statement {statement.number}": statement.text for statement in talk.statements}
    wanted = needles(texts)
    for label, text in texts.items():
        assert wanted.find(text.encode())[label] >= 1
