"""F3's floor: what a delivered and relayed frame of 1 KiB cannot do without, each part timed on its own, now.

GOALS.md F3: one check, the decryption and reading of every copy, as many sends, one store. Nothing here is ours: the
libraries' calls, alone, on one core. Invariant: each part is the median of several rounds, in µs.
"""

import hashlib
import os
import socket
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import trio
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from libp2p.pubsub.pb import rpc_pb2
from nacl.signing import SigningKey

SIZE = 1024
ROUNDS = 7
CALLS = 300
STEPS_PER_COPY = 4
"""trio checkpoints a received copy costs at the least, as research/performance.md §4 counts them."""


def _us(call: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            call()
        rounds.append((time.process_time() - began) / CALLS * 1e6)
    return statistics.median(rounds)


def _verify() -> float:
    key = SigningKey.generate()
    signed = key.sign(os.urandom(SIZE))
    return _us(lambda: key.verify_key.verify(signed))


def _read_copy() -> float:
    """Decrypt, parse, hash."""
    cipher, nonce = ChaCha20Poly1305(ChaCha20Poly1305.generate_key()), bytes(12)
    rpc = rpc_pb2.RPC(publish=[rpc_pb2.Message(data=os.urandom(SIZE), topicIDs=["room"])]).SerializeToString()
    sealed = cipher.encrypt(nonce, rpc, None)

    def once() -> bytes:
        parsed = rpc_pb2.RPC.FromString(cipher.decrypt(nonce, sealed, None))
        return hashlib.blake2b(parsed.publish[0].data, digest_size=32).digest()

    return _us(once)


def _send_copy() -> float:
    """Encrypt, send and receive on a loopback connection: two system calls."""
    cipher, nonce, data = ChaCha20Poly1305(ChaCha20Poly1305.generate_key()), bytes(12), os.urandom(SIZE + 32)
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with near, far:

            def once() -> None:
                near.send(cipher.encrypt(nonce, data, None))
                far.recv(65536)

            return _us(once)


def _step() -> float:
    async def steps() -> float:
        began = time.process_time()
        for _ in range(CALLS * 10):
            await trio.lowlevel.checkpoint()
        return (time.process_time() - began) / CALLS / 10 * 1e6

    return statistics.median(trio.run(steps) for _ in range(ROUNDS))


def _store() -> float:
    """One row of a transaction of 100, write-ahead log."""
    with tempfile.TemporaryDirectory() as folder:
        disk = sqlite3.connect(Path(folder, "floor.db"), isolation_level=None)
        disk.execute("pragma journal_mode=wal")
        disk.execute("pragma synchronous=normal")
        disk.execute("create table frames (id blob primary key, data blob) without rowid")
        data = os.urandom(SIZE)
        began = time.process_time()
        for _ in range(10):
            disk.execute("begin")
            for _ in range(100):
                disk.execute("insert into frames values (?, ?)", (os.urandom(32), data))
            disk.execute("commit")
        taken = (time.process_time() - began) / 1000 * 1e6
        disk.close()
        return taken


def parts(copies: float) -> dict[str, float]:
    """µs of each part for a frame that arrives, and is sent on, `copies` times; `whole` is their sum."""
    found = {
        "verify": _verify(),
        "read copies": copies * _read_copy(),
        "trio steps": copies * STEPS_PER_COPY * _step(),
        "send copies": copies * _send_copy(),
        "store": _store(),
    }
    return {**found, "whole": sum(found.values())}
