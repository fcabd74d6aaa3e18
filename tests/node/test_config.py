"""config.toml: what is understood is taken, anything else names its file, key and nearest neighbour."""

from pathlib import Path

import pytest

from tertulia.node.config import Config, ConfigWrong, Log, LogLevel, Network, Safety, load, parse
from tertulia.node.store.problems import StoreDamaged, StoreFailed

HERE = Path("/profile/config.toml")


def complaint(text: str) -> str:
    with pytest.raises(ConfigWrong) as caught:
        parse(text, HERE)
    problem = caught.value.problem
    assert "/profile/config.toml" in problem.error
    assert problem.safe == "The node was not started, and nothing was changed."
    assert problem.next.endswith("then start again.")
    return problem.error


def test_no_file_and_an_empty_file_are_the_defaults(tmp_path):
    assert load(tmp_path / "config.toml") == Config()
    (tmp_path / "config.toml").write_text("# nothing\n[network]\n")
    assert load(tmp_path / "config.toml") == Config()


def test_every_key(tmp_path):
    (tmp_path / "config.toml").write_text(
        '[network]\nlisten = ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/0"]\n'
        'peers = ["/dns4/relay.example.org/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"]\n'
        '[log]\nlevel = "debug"\n[safety]\nlock_after_minutes = 30\n'
    )
    assert load(tmp_path / "config.toml") == Config(
        Network(
            ("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/0"),
            ("/dns4/relay.example.org/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN",),
        ),
        Log(LogLevel.DEBUG),
        Safety(30),
    )


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("[network]\nlissen = []", "'network.lissen'", "network.listen"),
        ("[network]\nlevel = 1", "'network.level'", "log.level"),
        ("[network]\nlog_level = 1", "'network.log_level'", ""),
        ("[safety]\nlock_after = 5", "'safety.lock_after'", "safety.lock_after_minutes"),
        ("[netwrk]\nlisten = []", "'netwrk'", "network"),
        ("lock_after_minutes = 5", "'lock_after_minutes'", "safety.lock_after_minutes"),
        ("[zzz]", "'zzz'", ""),
    ],
)
def test_an_unknown_key_is_named_with_its_nearest(text, key, nearest):
    said = complaint(text)
    assert f"there is no setting {key}; the nearest is {nearest}" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[log]\nlevel = "loud"', 'log.level must be one of "warning", "info", "debug"'),
        ("[log]\nlevel = 3", "log.level must be one of"),
        ("[safety]\nlock_after_minutes = -1", "safety.lock_after_minutes must be a number of minutes from 0"),
        ("[safety]\nlock_after_minutes = 10081", "safety.lock_after_minutes must be"),
        ("[safety]\nlock_after_minutes = true", "safety.lock_after_minutes must be"),
        ('[safety]\nlock_after_minutes = "5"', "safety.lock_after_minutes must be"),
        ("[network]\nlisten = 4001", "network.listen must be a list"),
        ("[network]\npeers = [4001]", "entry 1 is none"),
        ('[network]\npeers = ["/ip4/1.2.3.4/tcp/1", "1.2.3.4:5"]', "entry 2 is none"),
        (f"[network]\npeers = {['/ip4/1.2.3.4/tcp/1'] * 33}", "at most 32"),
        ("network = 5", "network is a section, not a value"),
        ("[network", "is not valid TOML"),
    ],
)
def test_a_value_that_does_not_fit_names_its_key_and_what_would(text, expected):
    assert expected in complaint(text)


@pytest.mark.parametrize(
    "address",
    [
        "", "/", "/ip4", "/ip4/1.2.3.4", "/ip4/1.2.3/tcp/1", "/ip4/1.2.3.4/udp/1", "/ip4/1.2.3.4/tcp/65536",
        "/ip4/1.2.3.4/tcp/-1", "/ip4/1.2.3.4/tcp/x", "/ip6/1.2.3.4/tcp/1", "/dns4/-x/tcp/1", "/dns4/a..b/tcp/1",
        "/ip4/1.2.3.4/tcp/1/p2p/short", "/ip4/1.2.3.4/tcp/1/ws", "/ip4/1.2.3.4/tcp/1/p2p-circuit/x",
        "x/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/1/", "/dns4/" + "a." * 200 + "a/tcp/1", "/ip4/1.2.3.4/tcp/\u0661",
        "/onion3/abc:1/tcp/1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(address):
    assert "entry 1 is none" in complaint(f'[network]\nlisten = ["{address}"]')


def test_a_file_that_is_no_text_too_long_or_no_file_is_refused(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigWrong):
        load(path)
    path.write_bytes(b"#" * 100_000)
    with pytest.raises(StoreDamaged):
        load(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreFailed):
        load(path)
