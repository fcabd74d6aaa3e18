"""Stewards for tests of the core: a set of them, and a citizen who may be one."""

from __future__ import annotations

import random

import pytest

from tertulia.protocol import stewarding
from tertulia.protocol.commons import Commons
from tertulia.protocol.commons_card import Stewards
from tertulia.protocol.core import Core
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.effects import Refuse, Reply
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.inputs import Ask, CardFollowed, KeepSteward

MINUTE = 29_700_100


def stewards(quorum, *seeds) -> Stewards:
    return Stewards(tuple(sorted(map(signing_public, seeds))), quorum)


def reason_of(work, *arguments) -> RejectReason:
    with pytest.raises(RemoteError) as refused:
        work(*arguments)
    return refused.value.reason


class Citizen:
    """A core that knows one commons, with a steward's key or without."""

    def __init__(self, commons: Commons, seed: bytes = b"") -> None:
        self.core = Core(random.Random(1).randbytes)
        self.commons = commons.id
        self.core.commons[commons.id] = commons
        self.now = MINUTE * 60_000
        if seed:
            self.ask(KeepSteward(commons.id, seed))

    def ask(self, command):
        effects = self.core.handle(Ask(1, command), self.now)
        (answer,) = (effect for effect in effects if isinstance(effect, Reply | Refuse))
        return answer.value if isinstance(answer, Reply) else answer.problem

    def hear(self, *inputs) -> None:
        for one in inputs:
            self.core.handle(one, self.now)

    def follow(self, chain) -> None:
        self.hear(CardFollowed(self.commons, chain))

    @property
    def known(self) -> stewarding.Stewarding:
        return stewarding.of(self.core, self.commons)

    @property
    def sent(self):
        return [item for entry in self.core.outbox.entries.values() for item in entry.items]
