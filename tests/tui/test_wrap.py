"""Breaking lines: cases that a longer run of the properties found."""

import pytest

from tertulia.tui.wrap import wrap


@pytest.mark.parametrize(("text", "lines"), [(" ́ a", ["́ a"]), ("é ́ bcd", ["é ́", "bc", "d"])])
def test_a_mark_that_stands_alone_is_not_lost_at_a_break(text, lines):
    assert "".join(wrap(text, 2)).replace(" ", "") == text.replace(" ", "")
    assert wrap(text, 2) == lines
