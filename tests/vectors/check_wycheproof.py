"""Run Wycheproof's attacks on Ed25519, X25519 and XChaCha20-Poly1305 over `tertulia.protocol.crypto`.

python tests/vectors/check_wycheproof.py WYCHEPROOF/testvectors_v1

Needs a checkout of github.com/C2SP/wycheproof (Apache-2.0), which is not carried here: tests/vectors/README.md says
why and what came of it. Ends with one JSON line; exits 1 when a single case differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tertulia.protocol import crypto

Case = dict[str, Any]


def cases(folder: Path, name: str) -> Iterator[tuple[Case, Case]]:
    """Yield each case of a file with its group."""
    for group in json.loads((folder / f"{name}_test.json").read_text())["testGroups"]:
        for case in group["tests"]:
            yield group, case


def field(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


def ed25519(group: Case, case: Case) -> bool:
    """A proof is accepted exactly when it is valid."""
    public = bytes.fromhex(group["publicKey"]["pk"])
    return crypto._signed(public, field(case, "msg"), field(case, "sig")) is (case["result"] == "valid")


def x25519(_group: Case, case: Case) -> bool:
    """The shared secret is right, or, where it would be zero, refused."""
    wanted = field(case, "shared")
    return crypto.dh(field(case, "private"), field(case, "public")) == (wanted if any(wanted) else None)


def xchacha20_poly1305(_group: Case, case: Case) -> bool:
    """A valid ciphertext opens and is what we would seal; any other stays shut, or its nonce is not even taken."""
    key, nonce, plaintext, aad = (field(case, name) for name in ("key", "iv", "msg", "aad"))
    sealed = field(case, "ct") + field(case, "tag")
    if len(nonce) != crypto.NONCE:
        try:
            crypto.unseal(key, nonce, sealed, aad)
        except ValueError:
            return case["result"] == "invalid"
        return False
    if case["result"] == "valid":
        opened = crypto.unseal(key, nonce, sealed, aad)
        return opened == plaintext and crypto.seal(key, nonce, plaintext, aad) == sealed
    return crypto.unseal(key, nonce, sealed, aad) is None


CHECKS: tuple[Callable[[Case, Case], bool], ...] = (ed25519, x25519, xchacha20_poly1305)


def main(folder: Path) -> int:
    report: dict[str, dict[str, object]] = {}
    for check in CHECKS:
        results = [(case["tcId"], check(group, case)) for group, case in cases(folder, check.__name__)]
        report[check.__name__] = {"cases": len(results), "wrong": [number for number, right in results if not right]}
    print(json.dumps(report))
    return int(any(entry["wrong"] or not entry["cases"] for entry in report.values()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
