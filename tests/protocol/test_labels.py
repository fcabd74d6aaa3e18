"""The register of labels keeps its own promises."""

from tertulia.protocol.labels import LABEL, Label


def test_each_label_is_short_ascii_unique_and_of_version_1():
    texts = [bytes(label) for label in Label.__members__.values()]
    assert len(set(texts)) == len(texts) > 10
    for text in texts:
        assert len(text) <= LABEL
        assert text.isascii()
        assert text.startswith(b"t1 ")
        assert not text.endswith(b"\0")  # BLAKE2b pads with zeros: a trailing one would make two labels one


def test_the_register_is_in_alphabetical_order():
    names = list(Label.__members__)
    assert names == sorted(names)
