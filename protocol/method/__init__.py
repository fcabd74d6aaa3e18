"""The method: what a dialogue's speech comes to, beyond having been said.

Implements docs/spec/method.md. A second pure layer over the fold: it reads rooms and decides nothing about who is in.
"""
