"""How a network comes to be: composes a running thing out of the floors below.

Imports `tertulia.node` and `tertulia.protocol`, never `tertulia.tui`.
"""
