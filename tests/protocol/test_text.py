"""Whatever a peer writes, the screen gets text: no escape code, no turned direction, nothing hidden, no towers."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.text import LIMIT_MARKS, LIMIT_NAME, clean, clean_name, is_confusable

ANY = st.text(st.characters(), max_size=80) | st.text(
    st.sampled_from(
        "ab \n\t\r\x1b\x9b\u200d\u200c\u202e\u2028\u0301\u0327\u0345\u093c\u0958\u3164\U000e0041\ud800\u1100\u1161"
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Hello, world", "Hello, world", id="plain"),
        pytest.param("", "", id="empty"),
        pytest.param("two\nlines", "two\nlines", id="line-feed"),
        pytest.param("a\tb", "a b", id="tab"),
        pytest.param("dos\r\nlines\rhere", "dos\nlineshere", id="carriage-return"),
        pytest.param("a\u2028b\u2029c", "a\nb\nc", id="separators"),
        pytest.param("\x1b]52;c;ZXZpbA==\x07ok", "]52;c;ZXZpbA==ok", id="clipboard-escape"),
        pytest.param("\x1b[2J\x1b[Hok", "[2J[Hok", id="clear-screen"),
        pytest.param("\x9b2Jok", "2Jok", id="c1-csi"),
        pytest.param("a\x00\x08\x0b\x0c\x7f\x85b", "ab", id="other-controls"),
        pytest.param("pay \u202e001\u202c now", "pay 001 now", id="bidi-override"),
        pytest.param("\u2066a\u2067b\u2068c\u2069\u200e\u200f\u061cd", "abcd", id="isolates-and-marks"),
        pytest.param("zero\u200bwidth\ufeff\u00ad\u2060\u180e", "zerowidth", id="invisible-format"),
        pytest.param("hi\U000e0068\U000e0069\U000e007f", "hi", id="tag-characters"),
        pytest.param("a\ue000b\U000f0000c\ufdd0d\uffffe", "abcde", id="private-and-unassigned"),
        pytest.param("a\ud800b\udfffc", "abc", id="lone-surrogates"),
        pytest.param("e\u0301", "\u00e9", id="composed"),
        pytest.param("e\u200b\u0301", "\u00e9", id="composed-once-the-hidden-is-gone"),
        pytest.param(
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            id="persian",
        ),
        pytest.param("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb", id="emoji-sequence"),
        pytest.param("\u2764\ufe0f", "\u2764\ufe0f", id="emoji-variation"),
        pytest.param("a" + "\u200d" * 50 + "b", "a\u200db", id="many-joiners"),
        pytest.param("\u200dstart\n\u200cline\u200d", "start\nline", id="joiners-that-join-nothing"),
        pytest.param("\u0301start\n\u0301line", "start\nline", id="marks-without-a-base"),
        pytest.param("z" + "\u0335" * 99 + "!", "z" + "\u0335" * LIMIT_MARKS + "!", id="tower"),
        pytest.param(
            "z" + "\u0335\u200d" * 99, "z" + "\u0335\u200d" * (LIMIT_MARKS - 1) + "\u0335", id="tower-with-joiners"
        ),
        pytest.param("[@click=app.quit]x[/]", "[@click=app.quit]x[/]", id="markup-is-text-here"),
    ],
)
def test_clean(text, shown):
    assert clean(text, 1000) == shown


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\u05d1\u05b0\u05bc\u05e8\u05b5\u05d0\u05e9\u05c1\u05b4\u0596\u05d9\u05ea", id="pointed-hebrew"),
        pytest.param("\u1000\u103b\u103d\u103e\u1031\u102d\u102f\u1037", id="burmese"),
        pytest.param("\u0f66\u0f92\u0fb2\u0f74\u0f56\u0f66", id="tibetan"),
        pytest.param("\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48", id="thai"),
        pytest.param("\u0939\u093f\u0928\u094d\u0926\u0940", id="hindi"),
        pytest.param("Ti\u1ebfng Vi\u1ec7t", id="vietnamese"),
        pytest.param("\ud55c\uad6d\uc5b4 \u65e5\u672c\u8a9e \u4e2d\u6587", id="cjk"),
    ],
)
def test_living_languages_come_through(text):
    whole = unicodedata.normalize("NFC", text)
    assert clean(text, 100) == whole
    assert clean_name(text) == whole


def test_the_limit_counts_what_is_left():
    assert clean("\x1b" * 50 + "abcdef", 5) == "abcde"
    assert clean("abcdef", 5) == "abcde"
    assert clean("a\u200dbcdef", 2) == "a"
    assert clean("e\u0301" * 9, 5) == "\u00e9" * 5
    assert clean("anything", 0) == ""


@given(ANY, st.integers(0, 60))
def test_what_is_clean_stays_as_it_is(text, limit):
    once = clean(text, limit)
    assert clean(once, limit) == once
    assert len(once) <= limit
    assert unicodedata.is_normalized("NFC", once)
    once.encode()
    for char in once:
        assert char in "\n\u200c\u200d" or unicodedata.category(char) not in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Ruth", "Ruth", id="plain"),
        pytest.param("  Ruth \n\t of  Leeds ", "Ruth of Leeds", id="one-line"),
        pytest.param("Ruth\u00a0\u3000\u2003B", "Ruth B", id="wide-spaces"),
        pytest.param("\u3164\u115f\u2800\uffa0", "", id="only-blanks"),
        pytest.param("R\u3164uth", "R uth", id="blank-inside"),
        pytest.param("\u200d\u200c\u0301", "", id="only-joiners"),
        pytest.param("Ruth \u0301\u0302", "Ruth", id="marks-on-a-space"),
        pytest.param("x" * 99, "x" * LIMIT_NAME, id="long"),
        pytest.param("x" * (LIMIT_NAME - 1) + " y", "x" * (LIMIT_NAME - 1), id="cut-at-a-space"),
        pytest.param("\x1b[31mRuth", "[31mRuth", id="escape"),
        pytest.param("\u202ehtuR", "htuR", id="bidi"),
        pytest.param("", "", id="empty"),
    ],
)
def test_clean_name(text, shown):
    assert clean_name(text) == shown


@given(ANY)
def test_a_clean_name_stays_as_it_is_on_one_line(text):
    once = clean_name(text)
    assert clean_name(once) == once
    assert len(once) <= LIMIT_NAME
    assert once == " ".join(once.split())


@pytest.mark.parametrize(
    ("name", "confusable"),
    [
        pytest.param("Ruth", False, id="latin"),
        pytest.param("\u0410\u043d\u043d\u0430", False, id="cyrillic"),
        pytest.param("\u0395\u03bb\u03ad\u03bd\u03b7", False, id="greek"),
        pytest.param("Ruth \u0639\u0644\u06cc", False, id="latin-and-arabic"),
        pytest.param("Ruth \u5c71\u7530 7!", False, id="latin-and-han"),
        pytest.param("\u0645\u06cc\u200c\u062e\u0648", False, id="persian-joiner"),
        pytest.param("", False, id="empty"),
        pytest.param("R\u0443th", True, id="cyrillic-u"),
        pytest.param("\u0420uth", True, id="cyrillic-er"),
        pytest.param("Ru\u03c4h", True, id="greek-tau"),
        pytest.param("\u0410\u03bd\u03bd\u0430", True, id="cyrillic-and-greek"),
        pytest.param("\uff32uth", True, id="fullwidth"),
        pytest.param("\U0001d411uth", True, id="mathematical"),
        pytest.param("Ru\u200cth", True, id="joiner-in-latin"),
    ],
)
def test_is_confusable(name, confusable):
    assert is_confusable(name) is confusable
