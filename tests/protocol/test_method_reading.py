"""Matters as a dialogue holds them: read when asked for, again when a room has changed, by its charter's rules."""

from village import Village

from tertulia.protocol.body import Kind


def test_matters_are_read_again_only_when_something_was_said() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    ruth.say(key, "one")
    village.settle()
    dialogue = omar.core.dialogues[key]
    first = dialogue.matters
    assert [matter.text for matter in first.matters.values()] == ["one"]
    assert dialogue.matters is first
    ruth.say(key, "two")
    village.settle()
    again = omar.core.dialogues[key].matters
    assert [matter.text for matter in again.matters.values()] == ["one", "two"]
    assert all(matter.room == dialogue.plenary for matter in again.matters.values())
    assert all(dialogue.events[event].header.kind == Kind.SAY for event in first.matters)
