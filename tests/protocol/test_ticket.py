"""A relay ticket gives the commons and nothing else, is read forgivingly, and is refused in one sentence when wrong."""

import base64

import pytest

from tertulia.protocol.commons import Commons
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import LocalError
from tertulia.protocol.ticket import (
    LIMIT_TICKET,
    NOT_A_TICKET,
    OTHER_VERSION,
    _check,
    decode_ticket,
    encode_ticket,
)

HERE = Commons(b"k" * 32, 3, "Casa", 14, ("/ip4/192.0.2.7/tcp/4001",), b"p" * 32, b"d" * 32)


def text_of(body: bytes) -> str:
    return "RELAY:" + base64.b32encode(body + _check(body)).decode().rstrip("=")


@pytest.mark.parametrize("here", [HERE, Commons(b"k" * 32, 0, "")])
def test_what_went_in_comes_out(here):
    assert decode_ticket(encode_ticket(here)) == here


def test_the_longest_fits():
    longest = Commons(b"k" * 32, 255, "ñ" * 80, 365, ("/" + "x" * 254,) * 16, b"p" * 32, b"d" * 32)
    assert len(encode_ticket(longest)) * 5 // 8 <= LIMIT_TICKET
    assert decode_ticket(encode_ticket(longest)) == longest


def test_a_paste_is_read_forgivingly():
    text = encode_ticket(HERE)
    broken = "\n".join(text[start : start + 20] for start in range(0, len(text), 20))
    assert decode_ticket(f'  "{broken.lower()}"\n') == HERE
    assert decode_ticket(text.removeprefix("RELAY:")) == HERE


@pytest.mark.parametrize(
    "text",
    [
        "", "RELAY:", "RELAY:A", "RELAY:ÄÖ", "RELAY:189", encode_ticket(HERE)[:-2], "AE" + "A" * 190,
        encode_ticket(HERE)[:20] + "A" + encode_ticket(HERE)[20:],
        text_of(encode([1, "no commons"])), text_of(encode([1])), text_of(encode([])), text_of(encode([1] * 9)),
        text_of(encode([1, HERE.to_value(), b"more"])), text_of(b"\xff"), text_of(bytes(LIMIT_TICKET + 1)),
    ],
)  # fmt: skip
def test_what_is_no_ticket_is_refused(text):
    with pytest.raises(LocalError) as caught:
        decode_ticket(text)
    assert caught.value.problem == NOT_A_TICKET


def test_another_version_says_so():
    with pytest.raises(LocalError) as caught:
        decode_ticket(text_of(encode([2, "of tomorrow", 3, 4])))
    assert caught.value.problem == OTHER_VERSION
