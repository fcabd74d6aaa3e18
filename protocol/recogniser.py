"""Which of my secrets a frame was sealed under, if any.

Implements docs/spec/keys.md ("which key seals what", PROTOCOL §2). Every key I hold for a commons is tried within its
own minutes; a trial is one short keyed hash. Nothing here depends on what a person opened or reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol import epoch as epochs
from tertulia.protocol.frame import Frame, FrameClass, FrameKeys, find
from tertulia.protocol.ids import CommonsId, DialogueId, RoomId

ALWAYS: Final = (0, 1 << 32)
"""The minutes of a key that is tried as long as it is held."""


@dataclass(frozen=True, slots=True)
class InDialogue:
    """Sealed under an epoch or a door of this dialogue; under an epoch of a breakout, `room` is that."""

    dialogue: DialogueId
    room: RoomId | None = None


@dataclass(frozen=True, slots=True)
class OnCorridor:
    """What is said in a corridor of mine."""

    corridor: bytes


@dataclass(frozen=True, slots=True)
class OnCard:
    """The card of an invite I hold."""

    join: bytes


@dataclass(frozen=True, slots=True)
class OnWelcome:
    """The answer to a knock of mine."""

    join: bytes


@dataclass(frozen=True, slots=True)
class OnKnock:
    """A knock on an invite of mine."""

    invite: bytes


@dataclass(frozen=True, slots=True)
class OnContact:
    """From this device (its place in the list) of a contact, whose root this is."""

    root: bytes
    device: int


Target = InDialogue | OnCorridor | OnCard | OnWelcome | OnKnock | OnContact


@dataclass(frozen=True, slots=True)
class Trial:
    """One key pair, the frame minutes it is tried on (both included), and what a hit means.

    Where it is `large`, it is tried on frames of 16 KiB alone.
    """

    keys: FrameKeys = field(repr=False)
    minutes: tuple[int, int]
    target: Target
    large: bool = False


@dataclass(frozen=True, slots=True)
class Recogniser:
    """The trials of each commons."""

    trials: dict[CommonsId, tuple[Trial, ...]]

    def recognise(self, commons: CommonsId, frame: Frame) -> Trial | None:
        """The trial that this frame's tag answers to."""
        fit = [
            trial
            for trial in self.trials.get(commons, ())
            if trial.minutes[0] <= frame.minute <= trial.minutes[1]
            and (frame.frame_class is FrameClass.LARGE or not trial.large)
        ]
        hit = find(frame, [trial.keys for trial in fit])
        return None if hit is None else fit[hit]


def epoch_trial(dialogue: DialogueId, secret: bytes, created: int, room: RoomId | None = None) -> Trial:
    """Frames of an epoch: from an hour before its creation to 25 hours after."""
    return Trial(epochs.epoch_keys(secret), epochs.window(created), InDialogue(dialogue, room))


def door_trial(dialogue: DialogueId, door: bytes) -> Trial:
    """Frames under a door, for as long as it is held."""
    return Trial(epochs.door_keys(door), ALWAYS, InDialogue(dialogue))


def pair_trial(dialogue: DialogueId, keys: FrameKeys) -> Trial:
    """Frames between me and one member: seldom used, and always large."""
    return Trial(keys, ALWAYS, InDialogue(dialogue), large=True)
