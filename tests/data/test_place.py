"""A place moves phase by phase, and remembers the latest period that training has read."""

from __future__ import annotations

from asmg_pl.data.place import Place


def test_only_training_moves_the_period_that_the_models_are_trained_until() -> None:
    place = Place(period=4, trained_until=3)
    place.end_phase()
    assert place.trained_until == 3
    place.end_phase([2, 3, 4])
    assert place.trained_until == 4
    place.end_phase([1])
    assert place.trained_until == 4, "a period that comes again is no later one"


def test_the_first_phase_of_a_period_follows_the_last_one_of_the_period_before() -> None:
    place = Place(period=4)
    place.end_phase()
    place.end_phase()
    assert (place.period, place.phase) == (4, 2)
    place.next_period()
    assert (place.period, place.phase) == (5, 0)


def test_a_phase_is_running_between_its_beginning_and_its_end() -> None:
    place = Place()
    place.begin_phase()
    assert place.running
    place.end_phase()
    assert not place.running


def test_a_checkpoint_keeps_the_place_and_not_where_the_walk_was_to_end() -> None:
    place = Place(until=9)
    place.load_state_dict(Place(period=4, phase=1, trained_until=3, until=7).state_dict())
    assert place == Place(period=4, phase=1, trained_until=3, until=9)
