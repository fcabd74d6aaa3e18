"""The mesh lab: many citizens' cores in one process, in virtual time, with everything going wrong that can.

docs/guide/mesh.md; GOALS R2 and B3. The cores are the real ones, with real cryptography; disk, network, clocks and
people are modelled here. Invariants: one seed and one scenario give one run, down to the last frame; nothing here
sleeps or reads a clock; what must hold is written in `oracle` and nowhere else.

`scenario` (what is to happen) → `world` (who there is) → `loop` (when) → `node` (a citizen: `disk`, `archive`, `core`)
→ `links` and `session` (how frames travel), while `people` use it, `mischief` attacks it and `oracle` watches.
"""
