"""MovieTweetings: what a row becomes, and the real data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asmg_pl.data.sources import MovieTweetings
from asmg_pl.errors import ConfigError, DataError

MOVIES = """0000010::La sortie des usines Lumière (1895)::Documentary|Short
0000012::Alien: Covenant :: Director's Cut::Sci-Fi
0021283::Rakudai wa shitakeredo (1930)::
"""


def folder(path: Path, rows: list[tuple[str, str, str, int]], movies: str = MOVIES) -> Path:
    lines = "".join(f"{user}::{item}::{rating}::{time}\n" for user, item, rating, time in rows)
    (path / "ratings.dat").write_text(lines, encoding="utf-8")
    (path / "movies.dat").write_text(movies, encoding="utf-8")
    return path


def test_ratings_from_the_threshold_on_are_positive(tmp_path: Path) -> None:
    root = folder(tmp_path, [("1", "10", str(rating), 100 + rating) for rating in (0, 7, 8, 10)])
    assert MovieTweetings().read(root).label.tolist() == [0, 0, 1, 1]
    assert MovieTweetings(positive_from=7).read(root).label.tolist() == [0, 1, 1, 1]


def test_leading_zeros_do_not_make_another_film(tmp_path: Path) -> None:
    log = MovieTweetings().read(folder(tmp_path, [("1", "0000010", "8", 1), ("2", "10", "8", 2)]))
    assert log.item.tolist() == [0, 0]
    assert log.sizes[:3] == (2, 1, 2)


def test_colons_and_foreign_letters_in_titles_leave_the_genres_intact(tmp_path: Path) -> None:
    log = MovieTweetings().read(folder(tmp_path, [("1", "0000010", "8", 1), ("1", "0000012", "8", 2)]))
    assert log.categories is not None
    assert log.categories.tolist() == [[0, 1], [2, -1]]


def test_a_film_without_genres_has_no_category(tmp_path: Path) -> None:
    log = MovieTweetings().read(folder(tmp_path, [("1", "0021283", "8", 1), ("1", "0000012", "8", 2)]))
    assert log.categories is not None
    assert log.categories.tolist() == [[-1], [0]]


def test_only_liked_items_enter_histories(tmp_path: Path) -> None:
    log = MovieTweetings().read(folder(tmp_path, [("1", "10", "9", 1), ("1", "12", "1", 2), ("1", "13", "9", 3)]))
    assert log.parts[0].sequence.tolist() == [0, 2]


def test_only_the_chosen_days_are_kept(tmp_path: Path) -> None:
    root = folder(tmp_path, [("1", "10", "9", 86_399), ("1", "10", "9", 86_400), ("1", "10", "9", 172_800)])
    assert MovieTweetings(start="1970-01-02", end="1970-01-02").read(root).time.tolist() == [86_400]


def test_a_malformed_rating_is_named_with_its_line(tmp_path: Path) -> None:
    root = folder(tmp_path, [("1", "10", "9", 1), ("1", "10", "11", 2)])
    with pytest.raises(DataError, match=r"ratings\.dat:2: rating '11' is not a number between 0 and 10"):
        MovieTweetings().read(root)


@pytest.mark.parametrize("row", ["tt0012::Title::Drama", "0012::Title", "0012::Title::Drama:", "0012"])
def test_a_malformed_film_is_named_with_its_line(tmp_path: Path, row: str) -> None:
    root = folder(tmp_path, [("1", "10", "9", 1)], movies=f"{MOVIES}{row}\n")
    with pytest.raises(DataError, match=r"movies\.dat:4: the row is not of the form 'movie::title::genre\|genre'"):
        MovieTweetings().read(root)


@pytest.mark.parametrize("threshold", [-1, 10.5])
def test_a_threshold_outside_the_ratings_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigError, match=f"from 0 to 10, got {threshold}"):
        MovieTweetings(positive_from=threshold)


def test_the_real_data_set_has_its_known_counts(real_data: Callable[[str], Path]) -> None:
    log = MovieTweetings().read(real_data("movietweetings"))
    assert len(log) == 141_695
    assert log.sizes[:3] == (21_081, 12_611, 25)
    assert log.label.sum().item() == 70_841
