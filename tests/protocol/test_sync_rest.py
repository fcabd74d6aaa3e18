"""Archives of different retention and quota come to rest, by the messages and functions of docs/spec/sync.md alone.

Here stands the least driver that keeps to the page: it has a set in the place of an archive, and its frames are their
own ids. Every message is written and read.
"""

import random
from dataclasses import dataclass, field

import pytest

from tertulia.protocol import sync_messages as messages
from tertulia.protocol.gone import Gone, Told
from tertulia.protocol.range_index import Index, place_of
from tertulia.protocol.reconciliation import Limits, initiate, reconcile, respond
from tertulia.protocol.sync_messages import (
    AskGone,
    End,
    Ending,
    Frames,
    Give,
    Kept,
    Noted,
    Offer,
    Open,
    Opened,
    Reconcile,
    TellGone,
    Verdict,
    Want,
)
from tertulia.protocol.sync_terms import Stand, agree

SMALL = Limits(4_096)
NOW = 29_700_000
DAY = 24 * 60


def raw(place):
    return place[0].to_bytes(8, "big") + place[1]


@dataclass
class Peer:
    """A node as far as sync is concerned. `quota`: frames that it keeps of one neighbour a day."""

    name: str
    floor: int
    quota: int = 10**9
    today: int = 0
    clock: int = NOW * 60_000
    index: Index = field(default_factory=Index)
    gone: Gone = field(default_factory=Gone)
    told: dict = field(default_factory=dict)
    taken: dict = field(default_factory=dict)
    session: dict = field(default_factory=dict)

    def take(self, place, neighbour):
        """Judge a frame that came: held, gone, or refused as the floor or the cap of gone frames has it."""
        spent = self.taken.get((neighbour, self.today), 0)
        if place in self.index:
            return Verdict.KEPT
        if place[0] < self.floor:
            return Verdict.REFUSED
        if spent < self.quota:
            self.taken[neighbour, self.today] = spent + 1
            self.index.add(*place)
            self.gone.kept(place)
            return Verdict.KEPT
        return Verdict.GONE if self.gone.add(place, neighbour, self.today) else Verdict.REFUSED

    def fetch(self, ids):
        held = {frame: (minute, frame) for minute, frame in self.index}
        return tuple(raw(held[frame]) for frame in ids if frame in held)

    def stand(self):
        return Stand(self.clock, self.floor)

    def begin(self, neighbour, theirs, gone):
        """Agree the terms; return the days of gone frames to ask for."""
        told = self.told.setdefault(neighbour, Told())
        unknown = told.unknown(gone)
        self.session = {"terms": agree(self.stand(), theirs), "days": {each.day: each for each in gone}}
        return unknown

    def learn(self, neighbour, message):
        self.told[neighbour].learn(self.session["days"].pop(message.day), message.places)

    def view(self, neighbour):
        reach = self.session["terms"].reach
        return self.index.view(reach.start, reach.stop, self.told[neighbour].places())

    def fingerprint(self, neighbour):
        view = self.view(neighbour)
        return view.fingerprint(0, len(view))

    def answer(self, neighbour, message):
        """The responder's one answer to each message."""
        match message:
            case Open(stand, gone):
                asked = self.begin(neighbour, stand, gone)
                self.session["asked"] = set(asked)
                return Opened(self.stand(), self.gone.days(), asked, b"" if asked else self.fingerprint(neighbour))
            case AskGone(day):
                return TellGone(day, self.gone.of_day(day))
            case TellGone(day):
                self.session["asked"].remove(day)
                self.learn(neighbour, message)
                return Noted(b"" if self.session["asked"] else self.fingerprint(neighbour))
            case Reconcile(inner):
                return Reconcile(respond(self.view(neighbour), inner, SMALL))
            case Want(ids):
                return Frames(self.fetch(ids))
            case Offer(ids):
                return Want(ids)
            case Give(raws):
                return Kept(tuple(self.take((int.from_bytes(each[:8], "big"), each[8:]), neighbour) for each in raws))
            case End():
                return End(Ending.DONE)


@dataclass
class Meeting:
    """One session that `one` opened with `other`, and what it came to."""

    one: Peer
    other: Peer
    sent: list = field(default_factory=list)
    moved: int = 0
    counted: set = field(default_factory=set)

    def ask(self, message):
        data = messages.write(message)
        answer = messages.write(self.other.answer(self.one.name, messages.read(data)))
        self.sent += [data, answer]
        return messages.read(answer)

    def run(self):
        one, other = self.one, self.other
        opened = self.ask(Open(one.stand(), one.gone.days()))
        for day in one.begin(other.name, opened.stand, opened.gone):
            one.learn(other.name, self.ask(AskGone(day)))
        fingerprint = opened.fingerprint
        for day in opened.asked:
            fingerprint = self.ask(TellGone(day, one.gone.of_day(day))).fingerprint
        view = one.view(other.name)
        lacking = set()
        if fingerprint != view.fingerprint(0, len(view)):
            lacking = self.reconcile(view)
        self.counted |= set(view) - lacking
        self.retry()
        assert self.ask(End(Ending.DONE)) == End(Ending.DONE)
        return self

    def reconcile(self, view):
        one, other = self.one, self.other
        message, lacking = initiate(view, SMALL), set()
        while message is not None:
            step = reconcile(view, self.ask(Reconcile(message)).message, SMALL)
            message = step.message
            for ids in messages.batches(step.need):
                self.fetch(ids)
            for ids in messages.batches(step.have):
                raws = one.fetch(ids)
                verdicts = self.ask(Give(raws)).verdicts
                self.moved += len(raws)
                given = [(int.from_bytes(each[:8], "big"), each[8:]) for each in raws]
                lacking |= {place for place, kept in zip(given, verdicts, strict=True) if kept is not Verdict.KEPT}
        assert not lacking & other.told.get(one.name, Told()).places()
        return lacking

    def fetch(self, ids):
        answer = self.ask(Want(ids)).raws
        self.moved += len(answer)
        came = [(int.from_bytes(each[:8], "big"), each[8:]) for each in answer]
        assert {frame for _, frame in came} <= set(ids)
        for place in came:
            self.one.take(place, self.other.name)
        return came

    def retry(self):
        one, name = self.one, self.other.name
        wanted = one.gone.to_retry(name, one.today, one.session["terms"].reach, one.told[name].places())
        if wanted and one.taken.get((name, one.today), 0) < one.quota:
            came = self.fetch(tuple(frame for _, frame in wanted))
            for place in set(wanted) - set(came):
                one.gone.lacked(place, name, one.today)


def frames(count, seed, first=NOW - 10 * DAY, last=NOW):
    dice = random.Random(seed)
    return [(dice.randrange(first, last), dice.randbytes(32)) for _ in range(count)]


def peer(name, places, floor=NOW - 30 * DAY, **more):
    return Peer(name, floor, index=Index(place for place in places if place[0] >= floor), **more)


def meetings(peers):
    return [Meeting(one, other).run() for one in peers for other in peers if one is not other]


def at_rest(*peers):
    """Once each has asked each for what is gone, sessions move, list and reconcile nothing."""
    meetings(peers)
    for met in meetings(peers):
        assert met.moved == 0
        assert len(met.sent) == 4, "open and end"
        assert sum(map(len, met.sent)) < 1_000


def test_two_that_keep_everything_end_with_the_same():
    both = frames(500, 1)
    ana, ben = peer("ana", both + frames(90, 2)), peer("ben", both + frames(70, 3))
    met = Meeting(ana, ben).run()
    assert list(ana.index) == list(ben.index)
    assert met.moved == 160
    at_rest(ana, ben)


@pytest.mark.parametrize("first", [0, 1])
def test_retentions_that_differ(first):
    old, new = frames(300, 1), frames(200, 2, NOW - 2 * DAY)
    ana, ben = peer("ana", old), peer("ben", new, floor=NOW - 3 * DAY)
    pair = [(ana, ben), (ben, ana)][first]
    Meeting(*pair).run()
    assert set(ana.index) == set(old + new)
    assert set(ben.index) == {place for place in old + new if place[0] >= ben.floor}
    at_rest(ana, ben)


@pytest.mark.parametrize("first", [0, 1])
def test_quotas_that_differ(first):
    """Ben keeps 100 frames of Ana today; the rest is gone, told, left out, and nobody counts it as with him."""
    ana, ben = peer("ana", frames(260, 1)), peer("ben", frames(50, 2), quota=100)
    before = set(ana.index)
    Meeting(*[(ana, ben), (ben, ana)][first]).run()
    assert len(ben.index) == 150
    assert len(ben.gone) == 160
    assert len(ana.index) == 310
    met = Meeting(ana, ben).run()
    assert met.moved == 0
    assert {place for place in met.counted if place in before} == before & set(ben.index)
    at_rest(ana, ben)


def test_what_is_gone_is_asked_of_others_and_of_the_same_the_next_day():
    ana, ben, eve = peer("ana", frames(150, 1)), peer("ben", [], quota=100), peer("eve", [])
    Meeting(ana, ben).run()
    assert (len(ben.index), len(ben.gone)) == (100, 50)
    met = Meeting(ben, eve).run()
    assert met.moved == 100, "and Eve, asked for the gone ones, has none of them yet"
    assert all(ben.gone.tried(place_of(key), "eve", 0) for key in ben.gone._index.keys(0, 50))
    Meeting(ana, eve).run()
    at_rest(ana, ben, eve)
    for each in (ana, ben, eve):
        each.today = 1
    Meeting(ben, eve).run()
    assert (len(ben.index), len(ben.gone)) == (150, 0)
    at_rest(ana, ben, eve)


def test_a_gone_frame_that_a_third_lacks_does_not_keep_them_busy():
    ana, ben = peer("ana", frames(150, 1)), peer("ben", [], quota=100)
    Meeting(ana, ben).run()
    eve = peer("eve", list(ben.index))
    Meeting(eve, ben).run()
    at_rest(ben, eve)


def test_a_wrong_clock_costs_nothing():
    ana, ben = peer("ana", frames(150, 1)), peer("ben", frames(150, 2))
    ben.clock += 3 * 365 * DAY * 60_000
    ben.floor += 3 * 365 * DAY
    assert Meeting(ana, ben).run().moved == 0
    assert ana.session["terms"].clocks_differ


def test_every_interleaving_of_five_comes_to_rest():
    for seed in range(6):
        dice = random.Random(seed)
        quotas = [10**9, 10**9, 60, 90, 10**9]
        floors = [NOW - days * DAY for days in (30, 30, 30, 8, 5)]
        peers = [
            peer(f"peer {number}", frames(60, 10 * seed + number), floor, quota=quota)
            for number, (floor, quota) in enumerate(zip(floors, quotas, strict=True))
        ]
        everything = {place for each in peers for place in each.index}
        for _ in range(20):
            Meeting(*dice.sample(peers, 2)).run()
        meetings(peers)
        at_rest(*peers)
        for each in peers[:2]:
            assert set(each.index) == everything
        for each in peers[2:]:
            reachable = {place for place in everything if place[0] >= each.floor}
            assert set(each.index) | {place_of(key) for key in each.gone._index.keys(0, len(each.gone))} == reachable
