"""What client and node say on the socket: every message there and back, every broken one refused."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol import control
from tertulia.protocol.control import (
    Call,
    Delta,
    Failure,
    Hello,
    HelloAnswer,
    LocalError,
    Notice,
    Problem,
    RemoteError,
    Result,
    Row,
    Snapshot,
    Unwatch,
    Watch,
    client_splitter,
    encode_message,
    node_splitter,
    read_client,
    read_node,
)
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason

PROBLEM = Problem("It broke.", "All is kept.", "Try again.")

names = st.text(max_size=20)
numbers = st.integers(0, control.LIMIT_ID)
changes = st.integers(0, control.LIMIT_CHANGE)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=20) | names
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
params = st.dictionaries(names, values, max_size=4)
order_keys = st.lists(st.integers(-(2**62), 2**62) | names, max_size=control.LIMIT_ORDER).map(tuple)
rows = st.lists(st.builds(Row, names, order_keys, params), max_size=4).map(tuple)
sentences = st.text(max_size=60)

client_messages = st.one_of(
    st.builds(Hello, numbers, names),
    st.builds(Call, numbers, names, params),
    st.builds(Watch, numbers, names, params, st.none() | changes),
    st.builds(Unwatch, numbers),
)
node_messages = st.one_of(
    st.builds(HelloAnswer, numbers, names, names),
    st.builds(Result, numbers, params),
    st.builds(Failure, numbers, st.builds(Problem, sentences, sentences, sentences)),
    st.builds(Snapshot, numbers, changes, rows),
    st.builds(Delta, numbers, changes, rows, st.lists(names, max_size=4).map(tuple)),
    st.builds(Notice, names, sentences),
)


def body(message):
    return encode_message(message)[control.PREFIX :]


@given(client_messages)
def test_what_a_client_says_is_what_the_node_reads(message):
    assert read_client(body(message)) == message


@given(node_messages)
def test_what_a_node_says_is_what_the_client_reads(message):
    assert read_node(body(message)) == message


@given(st.lists(client_messages, max_size=5), st.data())
def test_a_stream_cut_anywhere_gives_the_same_messages(messages, data):
    stream = b"".join(map(encode_message, messages))
    splitter = client_splitter()
    read = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        read += splitter.feed(stream[:cut])
        stream = stream[cut:]
    assert read == messages
    assert splitter.feed(b"") == ()


def test_an_unfinished_message_waits_for_its_last_byte():
    stream = encode_message(Notice("slow", "Reading."))
    splitter = node_splitter()
    assert splitter.feed(stream[:-1]) == ()
    assert splitter.feed(stream[-1:]) == (Notice("slow", "Reading."),)


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come():
    splitter = node_splitter()
    with pytest.raises(RemoteError) as refused:
        splitter.feed((control.LIMIT_MESSAGE + 1).to_bytes(4, "big"))
    assert refused.value.reason is RejectReason.SIZE


def test_the_largest_message_passes_and_the_next_does_not():
    overhead = len(body(Call(1, "say", {"text": b""}))) + 4
    full = Call(1, "say", {"text": bytes(control.LIMIT_MESSAGE - overhead)})
    assert node_side(encode_message(full)) == (full,)
    with pytest.raises(LocalError) as refused:
        encode_message(Call(1, "say", {"text": bytes(control.LIMIT_MESSAGE)}))
    assert refused.value.problem == control.TOO_LARGE


def node_side(data):
    return client_splitter().feed(data)


@pytest.mark.parametrize("value", ["\udcff", 2**64, -(2**63) - 1])
def test_what_cbor_cannot_carry_is_a_persons_problem(value):
    with pytest.raises(LocalError) as refused:
        encode_message(Call(1, "say", {"text": value}))
    assert refused.value.problem == control.UNWRITABLE


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        [],
        ["hello"],
        [True, 1, "cli"],
        [1],
        [1, 1],
        [1, -1, "cli"],
        [1, 1, "x" * 65],
        [1, 1, "cli", None],
        [2, 1, "say"],
        [2, 2**32, "say", {}],
        [2, True, "say", {}],
        [2, 1, "say", []],
        [2, 1, "say", {1: 2}],
        [2, 1, "say", {"x" * 65: 2}],
        [2, 1, "say", {str(n): n for n in range(33)}],
        [2, 1, b"say", {}],
        [3, 1, "people", {}, -1],
        [3, 1, "people", {}, 2**63],
        [3, 1, "people", {}, False],
        [3, 1, "people", {}],
        [4],
        [4, "1"],
        [5, 1],
        [16, 1, "0.1", "main"],
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
    ],
)
def test_a_malformed_clients_message_is_refused(value):
    with pytest.raises(RemoteError):
        read_client(encode(value))


@pytest.mark.parametrize(
    "value",
    [
        [1, 1, "cli"],
        [16, 1, "0.1"],
        [17, 1, None],
        [18, 1, "a", "b"],
        [18, 1, "a", "b", "x" * 2049],
        [19, 1, 1, [["a", [], {}, 1]]],
        [19, 1, 1, [["a", {}, {}]]],
        [19, 1, 1, [["a", [None], {}]]],
        [19, 1, 1, [["a", [1, 2, 3, 4, 5], {}]]],
        [19, 1, 1, [["a", ["x" * 129], {}]]],
        [19, 1, 1, [[1, [], {}]]],
        [19, 1, 1, [["a", [], []]]],
        [19, 1, 1, [[]] * 10_001],
        [20, 1, 1, [], [1]],
        [20, 1, 1, []],
        [20, 1, 1, [], ["x" * 129]],
        [21, "slow"],
        [21, "slow", 1],
        [21, "x" * 65, ""],
        [255],
        [256],
    ],
)
def test_a_malformed_nodes_message_is_refused(value):
    with pytest.raises(RemoteError):
        read_node(encode(value))


@given(st.binary(max_size=200))
def test_no_bytes_bring_a_reader_down(data):
    for read in (read_client, read_node):
        try:
            message = read(data)
        except RemoteError:
            continue
        assert body(message) == data


@given(client_messages | node_messages, st.data())
def test_no_flipped_byte_brings_a_reader_down(message, data):
    broken = bytearray(body(message))
    broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    for read in (read_client, read_node):
        try:
            read(bytes(broken))
        except RemoteError:
            continue


@pytest.mark.fuzz
def test_many_mutated_streams_give_messages_or_a_refusal(fuzz_cases):
    import random

    draw = random.Random(5)
    stream = encode_message(Call(7, "say", {"text": "hola", "n": [1, None, True]})) + encode_message(Watch(8, "people"))
    for _ in range(fuzz_cases):
        broken = bytearray(stream)
        for _ in range(draw.randint(1, 4)):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        try:
            client_splitter().feed(bytes(broken))
        except RemoteError:
            continue


def test_reprs_hold_nothing_a_person_wrote():
    said = {"passphrase": "swordfish", "text": "swordfish"}
    row = Row("ab12", (3, "ab12"), said)
    shown = repr([Call(1, "unlock", said), Watch(1, "people", said), Result(1, said), Snapshot(1, 2, (row,))])
    assert "swordfish" not in shown + repr(Delta(1, 2, (row,)))
    assert "ab12" in repr(row)


def test_a_client_loads_it_without_any_cryptography():
    script = (
        "import sys; import tertulia.protocol.control; "
        "print([name for name in sys.modules if name.split('.')[0] in ('nacl', 'cryptography', 'trio', 'libp2p')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
