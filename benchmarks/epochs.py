"""How long an epoch takes: drawing a secret and sealing it for every other member of 25 and of 100; opening one share.

The yardstick of the same run is as many bare X25519 boxes of the same secret, sealed or opened: what the sharing would
cost without post-quantum HPKE around it. Sealing happens once a day and at each change of a roster, in a worker.
"""

from __future__ import annotations

from functools import partial

from nacl.utils import random as entropy

from benchmarks.figure import Figure, Work, figure, in_turns, wall_ms
from tertulia.protocol import hpke
from tertulia.protocol.crypto import NONCE, box_open, box_seal
from tertulia.protocol.epoch import SECRET, Epoch, commitment, make_epoch, roster_hash
from tertulia.protocol.ids import DialogueId, PersonaId, RoomId
from tertulia.protocol.persona import Persona, new_persona
from tertulia.protocol.prekey import PrekeySecret, new_prekey
from tertulia.protocol.share import Share, open_share, share_context, share_plaintext

ROUNDS = 9
MINUTE = 29_700_000
DIALOGUE = DialogueId(bytes(32))
ROOM = RoomId(bytes(32))

Member = tuple[Persona, PrekeySecret]


def measure() -> list[Figure]:
    """The figures epoch_25, epoch_100 and epoch_open: medians in ms, with the least and the most of nine rounds."""
    members = [(new_persona(entropy), new_prekey(entropy, MINUTE, 30)) for _ in range(100)]
    figures = []
    for size in (25, 100):
        some = members[:size]
        figures.append(
            _figure(f"epoch_{size}", partial(_seal, some), f"{size - 1} bare X25519 boxes", partial(_boxes, some))
        )
    epoch, shares = _seal(members[:2])
    sender, (persona, prekey) = members[0][0], members[1]
    context = share_context(epoch, sender.id(DIALOGUE), persona.id(DIALOGUE), prekey.public.id)
    box = box_seal(sender.box_secret, prekey.public.box, entropy(NONCE), entropy(SECRET))
    figures.append(
        _figure(
            "epoch_open",
            lambda: open_share(shares[0], prekey, sender.keys, context, epoch.commitment),
            "one bare X25519 box",
            lambda: box_open(prekey.box_secret, sender.keys.box, box),
        )
    )
    return figures


def _seal(members: list[Member]) -> tuple[Epoch, list[Share]]:
    """All that a member does for a new epoch: the first is the sealer, everyone else gets a share."""
    sealer = members[0][0]
    me = sealer.id(DIALOGUE)
    secret = entropy(SECRET)
    roster: list[PersonaId] = [persona.id(DIALOGUE) for persona, _ in members]
    epoch = make_epoch(DIALOGUE, ROOM, (), roster_hash(roster), me, commitment(secret), MINUTE)
    shares = []
    for recipient, (_, prekey) in zip(roster[1:], members[1:], strict=True):
        public = prekey.public
        context = share_context(epoch, me, recipient, public.id)
        inner = share_plaintext(sealer.box_secret, public.box, entropy(NONCE), context, secret)
        shares.append(Share(epoch.id, me, public.id, hpke.seal(public.hpke, context, inner)))
    return epoch, shares


def _boxes(members: list[Member]) -> None:
    secret, mine = entropy(SECRET), members[0][0].box_secret
    for _, prekey in members[1:]:
        box_seal(mine, prekey.public.box, entropy(NONCE), secret)


def _figure(name: str, ours: Work, what: str, bare: Work) -> Figure:
    """Milliseconds of wall time of both, in turns, after one of each that warms up."""
    ours(), bare()
    taken = in_turns(ROUNDS, ours=partial(wall_ms, ours), bare=partial(wall_ms, bare))
    return figure(name, taken["ours"], "ms", compared={what: taken["bare"]})


if __name__ == "__main__":
    for taken in measure():
        print(taken)
