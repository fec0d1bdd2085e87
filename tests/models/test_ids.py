"""Identifiers."""

import time

import pytest

from models.ids import parse, uuid7


def test_ids_are_uuids_of_version_seven_that_carry_the_time():
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_sort_by_the_millisecond_they_were_made_in_and_never_repeat():
    ids = [uuid7() for _ in range(2000)]
    assert len(set(ids)) == 2000
    milliseconds = [made.int >> 80 for made in ids]
    assert milliseconds == sorted(milliseconds)


def test_an_id_is_read_in_its_usual_form_only():
    made = uuid7()
    assert parse(str(made)) == parse(str(made).upper()) == made


@pytest.mark.parametrize("text", ["", "x", "0" * 32, "{01a20dee-ac30-7ace-b2b6-7933bc282913}"])
def test_anything_else_is_no_id(text: str):
    assert parse(text) is None
