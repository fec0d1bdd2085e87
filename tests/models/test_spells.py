"""Trouble that lasts is told when it begins."""

from models.spells import SPELLS_MAX, Spells


def test_what_lasts_begins_once():
    spells = Spells()
    assert [spells.begins(trouble) for trouble in "aabab"] == [True, False, True, False, False]


def test_what_comes_again_after_a_while_begins_anew():
    spells = Spells(seconds=-1.0)
    assert [spells.begins("a"), spells.begins("a")] == [True, True]


def test_no_more_is_remembered_than_there_is_room_for():
    spells = Spells()
    assert all(spells.begins(number) for number in range(SPELLS_MAX + 1))
    assert not spells.begins(SPELLS_MAX)
    assert spells.begins(0)
