"""The rules of Tertulia: pure functions from values to values.

Spec: docs/spec/. No clock, randomness, socket, disk or environment: time, random bytes and keys come in,
effects go out. Imports no other floor.
"""
