"""The demo: a dialogue that really took place, held again by 27 nodes on this machine.

README, *See it work*; GOALS.md F1 and F2 in small. Invariants: every node is the one that citizens run, with its own
keys, disk and connections; nothing about the result is assumed: what is reported was counted or searched for.
"""
