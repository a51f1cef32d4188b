"""The moves of coordinates, and the values before a window that are its state."""

from __future__ import annotations

import torch

from asmg_pl.generators.moves import Moves, states_after


def test_moves_within_a_window_are_differences_of_its_snapshots() -> None:
    window = torch.randn(4, 5, 3)
    found = Moves.of(window, torch.zeros(5, 3, 0))
    torch.testing.assert_close(found.first[1:], window[1:] - window[:-1])
    torch.testing.assert_close(found.second[2:], window[1:-1] - window[:-2])
    assert not found.first[0].any()
    assert not found.second[:2].any()


def test_windows_that_follow_each_other_have_the_moves_of_one_long_window() -> None:
    path = torch.randn(7, 5, 3)
    whole, hidden = Moves.of(path, torch.zeros(5, 3, 2)), torch.zeros(5, 3, 2)
    for begin in range(5):
        window = path[begin : begin + 3]
        found = Moves.of(window, hidden)
        torch.testing.assert_close(found.first, whole.first[begin : begin + 3])
        torch.testing.assert_close(found.second, whole.second[begin : begin + 3])
        hidden = states_after(window[:1], hidden)[-1]


def test_a_state_of_zero_is_none() -> None:
    window, hidden = torch.ones(2, 1, 2), torch.tensor([[[0.0, 0.0], [0.5, 0.0]]])  # the second column has one value
    found = Moves.of(window, hidden)
    assert found.first[0].tolist() == [[0.0, 0.5]]
    assert not found.second[0].any()


def test_without_a_state_there_is_none_after_the_window() -> None:
    assert states_after(torch.ones(2, 1, 2), torch.zeros(1, 2, 0)).shape == (2, 1, 2, 0)
