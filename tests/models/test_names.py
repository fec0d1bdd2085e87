"""What a name is, and which names look alike."""

import hashlib
import re
import sys
import unicodedata
from itertools import combinations

import icu
import pytest
from pydantic import BaseModel, ValidationError

from models import lookalikes
from models.errors import Invalid
from models.lookalikes import keys
from models.names import MARKS_MAX, NAME_MAX, PATTERN, Name, named
from tests.models.test_texts import in_utf16
from tests.signs import ALIKE, APART, FAMILY, NAMES, NO_NAMES, PERSIAN, SCOTLAND
from tests.support import at_once

ASSIGNED = [
    chr(number)
    for number in range(32, sys.maxunicode + 1)
    if not 0xD800 <= number <= 0xDFFF and icu.Char.charType(chr(number)) not in (0, 17)
]


class Called(BaseModel):
    name: Name


@pytest.mark.parametrize("name", NAMES)
def test_words_of_every_script_and_pictures_are_names(name: str):
    assert named(name) == unicodedata.normalize("NFC", name)
    assert named(f"  {name} ") == named(name)
    apart = unicodedata.normalize("NFD", name)
    assert len(apart) > NAME_MAX or named(apart) == named(name)
    assert all(keys(name))


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_what_nobody_could_read_is_no_name_and_the_sentence_says_why(name: str):
    with pytest.raises(Invalid) as refused:
        named(name)
    assert NO_NAMES[name] in str(refused.value)
    with pytest.raises(ValidationError) as invalid:
        Called(name=name)
    assert NO_NAMES[name] in invalid.value.errors()[0]["msg"]


def test_half_a_character_is_no_name():
    for name in ("\ud800", "a\udfff"):
        with pytest.raises(Invalid):
            named(name)


def test_as_many_marks_as_any_language_needs_stand_on_a_letter():
    assert named("q" + "\u0301\u0323\u0302\u0308"[:MARKS_MAX])
    for name in (
        "q\u0301\u0323\u0302\u0308\u0304",
        "ệ\u0301\u0308\u0304",
        "ada q\u0301\u0323\u0302\u0308\u0304",
    ):
        with pytest.raises(Invalid):
            named(name)


@pytest.mark.parametrize("name", [PERSIAN, FAMILY, SCOTLAND, "e\u0301"])
def test_a_name_is_kept_as_a_whole(name: str):
    assert Called(name=name).name == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("name", NAMES)
def test_the_pattern_takes_every_name_in_every_engine(name: str):
    assert re.search(PATTERN, named(name))
    assert re.search(PATTERN, in_utf16(named(name)))


def test_the_pattern_says_what_json_schema_can_say():
    assert PATTERN.isascii()
    assert Called.model_json_schema()["properties"]["name"]["pattern"] == PATTERN
    refused = [name for name in NO_NAMES if len(name) <= NAME_MAX and not re.search(PATTERN, name)]
    assert {"", " ", "a\nb", "a\0b"} & NO_NAMES.keys() <= set(refused)


def test_each_character_is_a_name_or_is_refused_for_a_reason():
    """No character breaks the folding, no name folds to nothing, and none is refused by the pattern alone."""
    for sign in ASSIGNED:
        try:
            name = named(sign)
        except Invalid:
            continue
        assert all(keys(name)), ascii(sign)
        assert re.search(PATTERN, name), ascii(sign)


# Look-alikes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALIKE)
def test_look_alikes_share_a_key(name: str):
    for other in ALIKE[name]:
        assert set(keys(named(name))) & set(keys(named(other))), other


@pytest.mark.parametrize("names", APART)
def test_names_that_differ_to_the_eye_share_none(names: tuple[str, ...]):
    for one, other in combinations(names, 2):
        assert not set(keys(named(one))) & set(keys(named(other))), (one, other)


def test_most_names_have_one_key_and_none_more_than_three():
    assert keys("quill") == ("quill",)
    assert keys("Ian") == ("ian", "lan")
    assert len(keys("ΝΙΚΕ")) == 3
    assert max(len(keys(name)) for name in NAMES) <= 3


def test_the_longest_key_fits_into_an_index():
    """PostgreSQL indexes up to 2,704 bytes."""
    widest = max(ASSIGNED, key=lambda sign: len(keys(sign * 3)[0].encode()))
    assert widest == "\ufdfa"
    assert len(keys(widest * NAME_MAX)[0].encode()) <= 2500


def test_keys_are_those_that_are_stored():
    """If this fails, ICU folds differently now: a migration has to compute all stored keys again."""
    assert icu.ICU_VERSION.partition(".")[0] == "77"
    folded = "\n".join(" ".join(keys(sign)) for sign in ASSIGNED)
    assert hashlib.sha256(folded.encode()).hexdigest()[:16] == "0d1f8448903357f3"


def test_a_key_is_found_whichever_thread_asks():
    names = [name for group in APART for name in group]
    assert (
        at_once([lambda: [lookalikes.keys(name) for name in names] * 20] * 8)
        == [[keys(name) for name in names] * 20] * 8
    )
