"""A commons, and the hello: who has the key gets in, on this connection, in this role, now."""

import itertools

import pytest

from tertulia.protocol import commons
from tertulia.protocol.commons import Commons, HelloAnswer, HelloDone, HelloOpen, Role
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
ANA, BEN, EVE = b"a" * 32, b"b" * 32, b"e" * 32
HERE = Commons(KEY, 0, "Allotments", 30, ("/ip4/10.0.0.7/tcp/4001",), ANA)


def reason(call, *args):
    with pytest.raises(RemoteError) as wrong:
        call(*args)
    return wrong.value.reason


# ---------------------------------------------------------------------------------------------------------------------
# The commons


def test_a_commons_comes_back_as_it_was():
    for one in (HERE, Commons(KEY, 255, ""), Commons(KEY, 1, "", stewards=b"s" * 32)):
        assert commons.from_value(decode(encode(one.to_value()), 1000)) == one


def test_key_and_generation_make_the_id():
    assert Commons(KEY, 0, "Another name").id == HERE.id
    assert len({HERE.id, Commons(KEY, 1, "").id, Commons(OTHER_KEY, 0, "").id}) == 3
    assert len(HERE.id) == 32


def test_topics_tell_commons_generations_and_shards_apart():
    topics = [
        commons.topic(Commons(key, generation, ""), shard)
        for key, generation, shard in itertools.product((KEY, OTHER_KEY), (0, 1), (0, 1))
    ]
    assert len(set(topics)) == 8
    assert all(len(bytes.fromhex(topic)) == 32 for topic in topics)
    assert commons.topic(HERE) == commons.topic(HERE, 0) == topics[0]
    assert KEY.hex() not in "".join(topics)


@pytest.mark.parametrize("shard", [-1, 256])
def test_no_such_shard(shard):
    with pytest.raises(ValueError, match="shard"):
        commons.topic(HERE, shard)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, bytes(31)),
        (1, 256),
        (2, "x" * 81),
        (3, 0),
        (3, 366),
        (4, ["x"] * 17),
        (4, ["x" * 256]),
        (4, [b"x"]),
        (5, bytes(31)),
        (5, bytes(33)),
    ],
)
def test_what_is_no_commons_is_refused(at, value):
    row = list(HERE.to_value())
    row[at] = value
    assert reason(commons.from_value, row) is RejectReason.SHAPE
    assert reason(commons.from_value, row[:5]) is RejectReason.SHAPE
    assert reason(commons.from_value, [*HERE.to_value(), b"s" * 31]) is RejectReason.SHAPE
    assert reason(commons.from_value, [*HERE.to_value(), b"s" * 32, b""]) is RejectReason.SHAPE


def test_a_repr_keeps_the_key_and_addresses_to_itself():
    assert repr(HERE) == "Commons(generation=0, name='Allotments', retention_days=30)"


# ---------------------------------------------------------------------------------------------------------------------
# Hello. Ana dials Ben.


OPENED = HelloOpen(b"1" * 32)
ANSWER = commons.answer_hello(KEY, BEN, ANA, OPENED, b"2" * 32, 1_000)
DONE = commons.finish_hello(KEY, ANA, BEN, OPENED, ANSWER, 2_000)


def test_a_hello_as_it_should_be():
    # Ana → Ben
    opened = commons.read_open(OPENED.encoded())
    # Ben → Ana
    answer = commons.read_answer(commons.answer_hello(KEY, BEN, ANA, opened, b"2" * 32, 1_000).encoded())
    # Ana has checked Ben, and proves herself
    done = commons.read_done(commons.finish_hello(KEY, ANA, BEN, OPENED, answer, 2_000).encoded())
    # Ben has checked Ana, and both know the other's clock
    commons.check_hello(KEY, BEN, ANA, opened, answer, done)
    assert (opened, answer, done) == (OPENED, ANSWER, DONE)
    assert (answer.clock, done.clock) == (1_000, 2_000)


def test_the_proof_is_the_one_of_the_spec():
    assert ANSWER.proof == commons.hello_proof(KEY, Role.RESPONDER, BEN, ANA, b"2" * 32, b"1" * 32, 1_000)
    assert DONE.proof == commons.hello_proof(KEY, Role.INITIATOR, ANA, BEN, b"1" * 32, b"2" * 32, 2_000)


def test_every_part_of_the_proof_counts():
    base = (KEY, Role.RESPONDER, BEN, ANA, b"2" * 32, b"1" * 32, 1_000)
    other = (OTHER_KEY, Role.INITIATOR, EVE, EVE, b"3" * 32, b"3" * 32, 1_001)
    proofs = {commons.hello_proof(*base)}
    for at in range(len(base)):
        proofs.add(commons.hello_proof(*base[:at], other[at], *base[at + 1 :]))
    assert len(proofs) == 1 + len(base)


@pytest.mark.parametrize(
    ("key", "me", "them", "opened", "answer"),
    [
        pytest.param(OTHER_KEY, ANA, BEN, OPENED, ANSWER, id="ben-is-of-another-commons"),
        pytest.param(KEY, ANA, EVE, OPENED, ANSWER, id="eve-relays-ben-s-answer"),
        pytest.param(KEY, EVE, BEN, OPENED, ANSWER, id="ben-answered-someone-else"),
        pytest.param(KEY, ANA, BEN, HelloOpen(b"9" * 32), ANSWER, id="an-answer-from-an-earlier-hello"),
        pytest.param(KEY, ANA, BEN, OPENED, HelloAnswer(b"9" * 32, ANSWER.proof, 1_000), id="another-nonce"),
        pytest.param(KEY, ANA, BEN, OPENED, HelloAnswer(b"2" * 32, ANSWER.proof, 1_001), id="another-clock"),
        pytest.param(KEY, ANA, BEN, OPENED, HelloAnswer(b"2" * 32, bytes(32), 1_000), id="no-proof"),
        pytest.param(KEY, ANA, BEN, OPENED, HelloAnswer(b"2" * 32, DONE.proof, 2_000), id="her-own-proof-sent-back"),
    ],
)
def test_ana_refuses(key, me, them, opened, answer):
    assert reason(commons.finish_hello, key, me, them, opened, answer, 2_000) is RejectReason.HELLO


@pytest.mark.parametrize(
    ("key", "me", "them", "opened", "answer", "done"),
    [
        pytest.param(OTHER_KEY, BEN, ANA, OPENED, ANSWER, DONE, id="ana-is-of-another-commons"),
        pytest.param(KEY, BEN, EVE, OPENED, ANSWER, DONE, id="eve-relays-ana-s-proof"),
        pytest.param(KEY, EVE, ANA, OPENED, ANSWER, DONE, id="ana-proved-to-someone-else"),
        pytest.param(KEY, BEN, ANA, OPENED, HelloAnswer(b"9" * 32, b"", 0), DONE, id="a-proof-from-an-earlier-hello"),
        pytest.param(KEY, BEN, ANA, HelloOpen(b"9" * 32), ANSWER, DONE, id="another-opening"),
        pytest.param(KEY, BEN, ANA, OPENED, ANSWER, HelloDone(DONE.proof, 2_001), id="another-clock"),
        pytest.param(KEY, BEN, ANA, OPENED, ANSWER, HelloDone(ANSWER.proof, 1_000), id="his-own-proof-sent-back"),
    ],
)
def test_ben_refuses(key, me, them, opened, answer, done):
    assert reason(commons.check_hello, key, me, them, opened, answer, done) is RejectReason.HELLO


def test_nobody_says_hello_to_themselves():
    answer = commons.answer_hello(KEY, ANA, ANA, OPENED, b"2" * 32, 0)
    assert reason(commons.finish_hello, KEY, ANA, ANA, OPENED, answer, 0) is RejectReason.HELLO


@pytest.mark.parametrize(
    ("read", "message", "expected"),
    [
        pytest.param(commons.read_open, encode([2, bytes(32)]), RejectReason.VERSION, id="open-version"),
        pytest.param(commons.read_open, encode([1, bytes(31)]), RejectReason.SHAPE, id="open-nonce"),
        pytest.param(commons.read_open, encode([1]), RejectReason.SHAPE, id="open-short"),
        pytest.param(commons.read_open, b"", RejectReason.ENCODING, id="open-empty"),
        pytest.param(commons.read_open, bytes(129), RejectReason.SIZE, id="open-large"),
        pytest.param(commons.read_answer, encode([bytes(32), bytes(32), -1]), RejectReason.SHAPE, id="answer-clock"),
        pytest.param(commons.read_answer, encode([bytes(32), bytes(31), 1]), RejectReason.SHAPE, id="answer-proof"),
        pytest.param(commons.read_answer, OPENED.encoded(), RejectReason.SHAPE, id="answer-open"),
        pytest.param(commons.read_answer, bytes(129), RejectReason.SIZE, id="answer-large"),
        pytest.param(commons.read_done, encode([bytes(32), 2**53 + 1]), RejectReason.SHAPE, id="done-clock"),
        pytest.param(commons.read_done, encode([bytes(33), 1]), RejectReason.SHAPE, id="done-proof"),
        pytest.param(commons.read_done, bytes(129), RejectReason.SIZE, id="done-large"),
    ],
)
def test_messages_of_another_shape_are_refused(read, message, expected):
    assert reason(read, message) is expected


def test_the_longest_messages_fit_their_limit():
    for message in (OPENED, HelloAnswer(bytes(32), bytes(32), 2**53), HelloDone(bytes(32), 2**53)):
        assert len(message.encoded()) <= commons.LIMIT_HELLO


def test_a_proof_is_not_in_a_repr():
    assert repr(DONE) == "HelloDone(clock=2000)"
    assert "proof" not in repr(ANSWER)
