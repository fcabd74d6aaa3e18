"""Timers as values."""

from __future__ import annotations

from tertulia.node.timers import LONGEST_WAIT, Timers


def test_due_in_order_and_once() -> None:
    timers = Timers()
    timers.set("late", 30)
    timers.set("early", 10)
    timers.set("far", 1_000)
    timers.set("moved", 5)
    timers.set("moved", 20)
    timers.set("gone", 1)
    timers.clear("gone")
    timers.clear("never")
    assert timers.due(30) == ["early", "moved", "late"]
    assert timers.due(30) == []


def test_how_long_to_wait() -> None:
    timers = Timers()
    assert timers.wait(0) == LONGEST_WAIT
    timers.set("soon", 1_500)
    assert timers.wait(0) == 1.5
    assert timers.wait(2_000) == 0
    assert timers.wait(-10_000_000) == LONGEST_WAIT
