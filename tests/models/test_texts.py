"""What is blank, in which form texts are compared, and how a title is cut."""

import re
import sys
import unicodedata

import icu
import pytest
from pydantic import TypeAdapter, ValidationError

from models import texts
from models.texts import BLANK as MEANING
from models.texts import NOT_BLANK, Storable, Visible, blank, composed, judged, title
from tests.signs import BLANK, FAMILY, SEEN

ALL = [chr(number) for number in range(1, sys.maxunicode + 1) if not 0xD800 <= number <= 0xDFFF]


def in_utf16(text: str) -> str:
    """A text as engines see it that know no character beyond U+FFFF: half pairs are characters to them."""
    raw = text.encode("utf-16-be")
    return "".join(chr(int.from_bytes(raw[at : at + 2], "big")) for at in range(0, len(raw), 2))


@pytest.mark.parametrize("what", BLANK)
def test_what_nobody_sees_is_blank(what: str):
    assert blank(BLANK[what])
    assert blank(" ".join(BLANK.values()))
    with pytest.raises(ValidationError):
        TypeAdapter(Visible).validate_python(BLANK[what])


@pytest.mark.parametrize("text", SEEN)
def test_what_can_be_seen_is_not(text: str):
    assert not blank(text)
    assert TypeAdapter(Visible).validate_python(text) == text
    assert TypeAdapter(Visible).validate_python(f"\u200b{text}\n") == f"\u200b{text}\n"


def test_no_letter_digit_or_picture_is_blank():
    fillers = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u17b4", "\u17b5", "\u2800", "\ufffc", "\U0001d159"}
    lost = [sign for sign in ALL if unicodedata.category(sign)[0] in "LNSP" and blank(sign)]
    newer = [sign for sign in lost if icu.Char.charType(sign) in (6, 7, 8)]  # marks, to a newer Unicode
    assert set(lost) - set(newer) == fillers - {"\u17b4", "\u17b5"}


# The pattern of the schema -----------------------------------------------------------------------


def test_the_pattern_refuses_nothing_that_is_taken():
    assert [ascii(sign) for sign in ALL if not re.search(NOT_BLANK, sign) and not blank(sign)] == []


@pytest.mark.parametrize("text", ["", " \t\n", "\0", "a\0", "\0a", " \0 "])
def test_the_pattern_refuses_white_space_alone_and_nul(text: str):
    assert not re.search(NOT_BLANK, text)


def test_the_pattern_takes_no_time_on_long_texts():
    """A client may match it on a hundred thousand characters: each is read once."""
    for text in ("x" * 10**6 + "\0", " " * 10**6 + "\0", "x " * 10**6 + "\0"):
        assert not re.search(NOT_BLANK, text)
        assert not re.search(texts.NO_NUL, text)


@pytest.mark.parametrize("text", SEEN)
def test_the_pattern_takes_the_same_in_every_engine(text: str):
    assert re.search(NOT_BLANK, text)
    assert re.search(NOT_BLANK, in_utf16(text))
    assert re.search(texts.NO_NUL, in_utf16(text))


def test_the_pattern_has_no_character_that_an_engine_may_not_read():
    assert re.fullmatch(r"[ -~]+", NOT_BLANK)
    assert set(re.findall(r"\\.", NOT_BLANK)) == {r"\s", r"\x"}
    assert TypeAdapter(Visible).json_schema()["pattern"] == NOT_BLANK
    assert TypeAdapter(Storable).json_schema()["pattern"].isascii()


def test_what_blank_means_is_said_in_words():
    assert all(word in MEANING for word in ("white space", "controls", "default-ignorable", "marks"))


# Forms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["é", "ñ", "Ǻ", "한", "が", "ệ", "Å"])
def test_texts_are_compared_in_nfc(text: str):
    assert (
        composed(unicodedata.normalize("NFD", text)) == composed(text) == unicodedata.normalize("NFC", text)
    )


@pytest.mark.parametrize("text", ["", "a", "ﬁ", "Ａ", FAMILY, "\ufeff", "a\r\nb", "x\u0301" * 5, "\u200b"])
def test_nothing_else_of_a_text_changes(text: str):
    assert composed(text) == unicodedata.normalize("NFC", text)


def test_a_judge_reads_no_byte_order_mark():
    assert judged("\ufeffCafe\u0301") == "Café"
    assert judged("\ufeff\ufeffa") == "\ufeffa"
    assert judged("a\ufeffb") == "a\ufeffb"


# Titles ------------------------------------------------------------------------------------------

ZALGO = "a" + "\u0301" * 60


@pytest.mark.parametrize(
    ("prompt", "first_line"),
    [
        ("One\nTwo", "One"),
        ("\n\u200b\n \u3164 \r\n  One  \nTwo", "One"),
        ("\ufeffOne", "One"),
        ("\u0301One", "One"),
        ("\x1b[31mred\x07 alert", "[31mred alert"),
        ("\u202eevil", "evil"),
        (f"{FAMILY} family", f"{FAMILY} family"),
        ("ends in ❤\ufe0f", "ends in ❤\ufe0f"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("x" * 20_000, "x" * 79 + "…"),
        ("x" * 78 + " and more", "x" * 78 + "…"),
        ("🇩🇪" * 40, "🇩🇪" * 40),
        ("🇩🇪" * 41, "🇩🇪" * 39 + "…"),
        ("x" + "🇩🇪" * 41, "x" + "🇩🇪" * 39 + "…"),
        (FAMILY * 20, FAMILY * 15 + "…"),
        ("क्षत्रिय " * 20, "क्षत्रिय " * 8 + "क्षत्रि…"),
        (ZALGO * 2, ZALGO + "…"),
        ("a" + "\u0301" * 200, "a" + "\u0301" * 78 + "…"),
        ("e\u0301" * 41, "e\u0301" * 39 + "…"),
        ("👍🏽" * 41, "👍🏽" * 39 + "…"),
        ("\r\n" * 100 + "x", "x"),
    ],
)
def test_a_title_is_the_first_line_cut_between_characters(prompt: str, first_line: str):
    assert title(prompt, 80) == first_line
    assert len(title(prompt, 80)) <= 80


def test_a_cut_title_never_ends_inside_a_character():
    for text in (FAMILY, "🇩🇪", "क्षि", "e\u0301\u0323", "👍🏽", "한", "กำ", "1\ufe0f\u20e3"):
        for before in range(80):
            cut = title("x" * before + text * 80, 80)
            body = cut.removesuffix("…").lstrip("x")
            assert body == text * (len(body) // len(text))
            assert len(cut) <= 80
