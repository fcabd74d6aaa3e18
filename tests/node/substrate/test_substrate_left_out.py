"""What of libp2p a node does not load, and that nothing needs it. Start-up and memory: figures F8 and F9."""

import subprocess
import sys

import pytest

from tertulia.node.substrate.left_out import LEFT_OUT, LeftOut, StandInModule

STRANGERS = ("aioquic", "zeroconf", "miniupnpc", "httpx", "requests", "dns", "trio_websocket", "OpenSSL")


def run(program: str) -> str:
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_node_loads_neither_discovery_nor_quic_nor_a_web_client():
    program = f"import sys, tertulia.node.citizen; print([name for name in {STRANGERS} if name in sys.modules])"
    assert run(program) == "[]"


def test_the_library_as_shipped_loads_them():
    program = f"import sys, libp2p; print([name for name in {STRANGERS} if name not in sys.modules])"
    assert run(program) == "[]", "the list above names something that would not be loaded anyway"


def test_these_tests_run_on_what_nodes_load():
    assert all(isinstance(sys.modules[name], StandInModule) for name in LEFT_OUT if name in sys.modules)
    assert isinstance(sys.modules["libp2p.transport.quic"], StandInModule)


def test_a_process_that_has_the_library_keeps_it_whole():
    program = (
        "import libp2p, tertulia.node.substrate as ours; from libp2p.transport.quic.utils import is_quic_multiaddr; "
        "from multiaddr import Multiaddr; print(is_quic_multiaddr(Multiaddr('/ip4/127.0.0.1/udp/1/quic-v1')))"
    )
    assert run(program) == "True"


def test_a_stand_in_can_be_named_and_made_and_nothing_else():
    module = StandInModule("libp2p.transport.quic.utils")
    assert issubclass(module.QUICStreamClosedError, Exception)
    assert module.QUICTransport is module.QUICTransport
    made = module.QUICTransport("anything", at="all")
    with pytest.raises(LeftOut, match=r"libp2p\.transport\.quic\.utils\.QUICTransport"):
        made.listen()
    with pytest.raises(LeftOut, match="is_quic_multiaddr"):
        module.is_quic_multiaddr("/ip4/127.0.0.1")
    assert not hasattr(module, "__wrapped__")
    assert not hasattr(made, "__wrapped__")
