"""The acceptance story: a dialogue of thirteen people from its rules to its outcome, told while it happens.

research/dialogue.md, part 6, without what is veiled. Real nodes, a real relay, loopback; every "must hold" is asked of
the nodes, none is assumed.
"""
