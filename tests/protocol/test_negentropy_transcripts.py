"""The reference implementation's own transcripts, in both roles: the same bytes, fingerprints and differences."""

import json
from pathlib import Path

import pytest

from tertulia.protocol.negentropy import Fingerprint, IdList, read, write
from tertulia.protocol.range_index import Index
from tertulia.protocol.reconciliation import Limits, initiate, reconcile, respond

FILE = Path(__file__).parents[1] / "vectors" / "negentropy" / "transcripts.json"
TRANSCRIPTS = json.loads(FILE.read_text())["transcripts"]
UNBOUNDED = 1 << 20


@pytest.fixture(params=TRANSCRIPTS, ids=lambda transcript: transcript["name"])
def transcript(request):
    return request.param


def index(transcript, mine):
    return Index((minute, bytes.fromhex(frame)) for minute, frame in transcript["both"] + transcript[mine])


def rounds(transcript):
    return [(bytes.fromhex(query), bytes.fromhex(response)) for query, response in transcript["rounds"]]


def limits(transcript):
    return Limits(transcript["frame_size_limit"], UNBOUNDED, as_reference=True)


def ids(transcript, side):
    return [bytes.fromhex(frame) for _, frame in transcript[side]]


def test_every_message_reads_and_writes_the_same(transcript):
    for message in [message for pair in rounds(transcript) for message in pair]:
        assert message[:1] + write(read(message, UNBOUNDED), 0) == message


def test_every_fingerprint_and_list_is_of_the_range_it_says(transcript):
    """All but the last range of a full message, whose fingerprint begins further on than the range does."""
    for mine, which in (("have", 0), ("need", 1)):
        held = index(transcript, mine)
        for message in [pair[which] for pair in rounds(transcript)]:
            ranges = read(message, UNBOUNDED)
            whole = ranges[: -1 if transcript["frame_size_limit"] else None]
            lower = 0
            for each in whole:
                upper = held.rank(each.upper.key)
                if isinstance(each, Fingerprint):
                    assert each.value == held.fingerprint(lower, upper)
                elif isinstance(each, IdList):
                    assert each.ids == [key[8:] for key in held.keys(lower, upper)]
                lower = upper


def test_our_initiator_says_what_the_reference_said(transcript):
    held, bounds = index(transcript, "have"), limits(transcript)
    message = initiate(held, bounds)
    have, need = [], []
    for query, response in rounds(transcript):
        assert message == query
        step = reconcile(held, response, bounds)
        message = step.message
        have += step.have
        need += step.need
    assert message is None
    assert have == ids(transcript, "have")
    assert need == ids(transcript, "need")


def test_our_responder_says_what_the_reference_said(transcript):
    held, bounds = index(transcript, "need"), limits(transcript)
    for query, response in rounds(transcript):
        assert respond(held, query, bounds) == response
