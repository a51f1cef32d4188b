"""MovieLens: what a row becomes, and the real data set."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from asmg_pl.data.sources import MovieLens
from asmg_pl.errors import ConfigError, DataError

DAY = 24 * 60 * 60
NEW_YEAR_2014 = 1_388_534_400

MOVIES = """movieId,title,genres
1,Toy Story (1995),Adventure|Comedy
2,"American President, The (1995)",Drama
3,"11'09""01 - September 11 (2002)",Drama|Comedy
4,"Nobody: ""I, Robot"" (2004)",(no genres listed)
"""


def folder(path: Path, rows: list[tuple[int, int, float, int]], movies: str = MOVIES) -> Path:
    lines = [f"{user},{item},{rating},{time}" for user, item, rating, time in rows]
    (path / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *lines]), encoding="utf-8")
    (path / "movies.csv").write_text(movies, encoding="utf-8")
    return path


def test_ratings_from_the_threshold_on_are_positive(tmp_path: Path) -> None:
    root = folder(tmp_path, [(1, 1, 3.5, 1), (1, 2, 4.0, 2), (1, 3, 4.5, 3)])
    assert MovieLens().read(root).label.tolist() == [0, 1, 1]
    assert MovieLens(positive_from=4.5).read(root).label.tolist() == [0, 0, 1]


def test_rows_are_sorted_by_time(tmp_path: Path) -> None:
    log = MovieLens().read(folder(tmp_path, [(5, 1, 4, 30), (6, 2, 4, 10), (5, 3, 4, 20)]))
    assert log.time.tolist() == [10, 20, 30]
    assert log.user.tolist() == [0, 1, 1]


def test_only_liked_items_enter_histories(tmp_path: Path) -> None:
    log = MovieLens().read(folder(tmp_path, [(1, 1, 5, 1), (1, 2, 1, 2), (1, 3, 5, 3)]))
    assert log.parts[0].sequence.tolist() == [0, 2]


def test_start_and_end_are_whole_utc_days_that_are_kept(tmp_path: Path) -> None:
    first, last = NEW_YEAR_2014, NEW_YEAR_2014 + 2 * DAY - 1
    root = folder(tmp_path, [(1, 1, 4, time) for time in (first - 1, first, last, last + 1)])
    assert MovieLens(start="2014-01-01", end="2014-01-02").read(root).time.tolist() == [first, last]
    assert MovieLens(start="2014-01-01").read(root).time.tolist() == [first, last, last + 1]
    assert MovieLens(end="2014-01-02").read(root).time.tolist() == [first - 1, first, last]
    assert len(MovieLens(start="0001-01-01", end="9999-12-31").read(root)) == 4


def test_titles_with_commas_and_quotes_leave_the_genres_intact(tmp_path: Path) -> None:
    log = MovieLens().read(folder(tmp_path, [(1, item, 4, item) for item in (1, 2, 3)]))
    assert log.categories is not None
    assert log.categories.tolist() == [[0, 1], [2, -1], [2, 1]]


def test_no_genres_listed_is_a_genre_of_its_own(tmp_path: Path) -> None:
    log = MovieLens().read(folder(tmp_path, [(1, 4, 4, 1), (1, 2, 4, 2)]))
    assert log.categories is not None
    assert log.categories.tolist() == [[0], [1]]


def test_an_item_missing_in_the_catalogue_has_no_category(tmp_path: Path) -> None:
    log = MovieLens().read(folder(tmp_path, [(1, 99, 4, 1), (1, 2, 4, 2)]))
    assert log.categories is not None
    assert log.categories.tolist() == [[-1], [0]]
    assert log.sizes[:3] == (1, 2, 1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,Title,Drama", "item 'x' is not a whole number of at least 0"),
        ("5,Drama", "2 fields instead of 3"),
        ("5,City, The,Drama", "4 fields instead of 3"),
        ('5,"City, The,Drama', 'a " stands where no field begins or ends'),
        ('5,"City" The,Drama', 'a " stands where no field begins or ends'),
        ("5", "1 field instead of 3"),
    ],
)
def test_a_malformed_film_is_named_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    root = folder(tmp_path, [(1, 1, 4, 1)], movies=f"{MOVIES}{row}\n6,Heat (1995),Action\n")
    with pytest.raises(DataError, match=rf"movies\.csv:6: {re.escape(reason)}"):
        MovieLens().read(root)


@pytest.mark.parametrize("name", ["ratings.csv", "movies.csv"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (folder(tmp_path, [(1, 1, 4, 1)]) / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: give the folder that holds {name} with --data\.root FOLDER"):
        MovieLens().read(tmp_path)


def test_no_folder_is_refused_with_the_mend() -> None:
    with pytest.raises(ConfigError, match=r"MovieLens .*--data\.root FOLDER"):
        MovieLens().read(None)


def test_days_without_ratings_are_refused_with_the_days_that_have_some(tmp_path: Path) -> None:
    root = folder(tmp_path, [(1, 1, 4, NEW_YEAR_2014), (1, 1, 4, NEW_YEAR_2014 + 3 * DAY)])
    with pytest.raises(DataError, match=r"from 2015-01-01 to the end: .* from 2014-01-01 to 2014-01-04"):
        MovieLens(start="2015-01-01").read(root)


@pytest.mark.parametrize("threshold", [0.4, 5.1, float("nan")])
def test_a_threshold_outside_the_ratings_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigError, match=f"from 0.5 to 5, got {threshold}"):
        MovieLens(positive_from=threshold)


@pytest.mark.parametrize("day", ["2014-13-01", "yesterday", "01.02.2014", "", "2014-01-01T00:00"])
def test_a_malformed_date_is_refused(day: str) -> None:
    with pytest.raises(ConfigError, match=f"start '{day}' is not a date"):
        MovieLens(start=day)
    with pytest.raises(ConfigError, match=f"end '{day}' is not a date"):
        MovieLens(end=day)


def test_an_end_before_the_start_is_refused() -> None:
    MovieLens(start="2014-01-02", end="2014-01-02")
    with pytest.raises(ConfigError, match="start 2014-01-02 is later than end 2014-01-01"):
        MovieLens(start="2014-01-02", end="2014-01-01")


def test_the_real_data_set_has_its_known_counts(real_data: Callable[[str], Path]) -> None:
    log = MovieLens().read(real_data("ml-latest-small"))
    assert len(log) == 100_836
    assert log.sizes[:3] == (610, 9_724, 20)
    assert log.label.sum().item() == 48_580


def test_the_genres_are_those_that_a_csv_parser_finds(real_data: Callable[[str], Path]) -> None:
    root = real_data("ml-latest-small")
    parsed = pl.read_csv(root / "movies.csv").select(item="movieId", categories=pl.col("genres").str.split("|"))
    assert MovieLens().categories(root).equals(parsed)


def older(path: Path, ratings: str, movies: bytes) -> Path:
    (path / "ratings.dat").write_text(ratings)
    (path / "movies.dat").write_bytes(movies)
    return path


def test_the_older_files_are_read_where_there_are_no_newer_ones(tmp_path: Path) -> None:
    movies = "7::Amélie: Le fabuleux destin (2001)::Comedy|Romance\n9::Alien: Director's Cut :: 2 (1979)::Horror\n"
    root = older(tmp_path, "1::9::3::978300760\n2::7::5::978302109\n1::7::4::978301968\n", movies.encode("latin-1"))
    log = MovieLens().read(root)
    assert log.time.tolist() == [978300760, 978301968, 978302109]
    assert log.label.tolist() == [0, 1, 1]
    assert log.categories is not None
    assert log.categories.tolist() == [[0, -1], [1, 2]]


def test_the_newer_files_go_before_the_older_ones(tmp_path: Path) -> None:
    folder(tmp_path, [(1, 1, 3.5, 1), (1, 2, 4.0, 2)])
    older(tmp_path, "1::9::3::978300760\n", b"9::Alien::Horror\n")
    assert len(MovieLens().read(tmp_path)) == 2


def test_a_malformed_row_of_an_older_file_is_named_with_its_line(tmp_path: Path) -> None:
    root = older(tmp_path, "1::9::3::978300760\n1:9:3:978300760\n", b"9::Alien::Horror\n")
    with pytest.raises(DataError, match=r"ratings\.dat:2: 1 field instead of 4"):
        MovieLens().read(root)


def test_other_counts_than_published_are_said(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    root = folder(tmp_path, [(1, 1, 3.5, 1), (1, 2, 4.0, 2)])
    MovieLens(expected={"users": 1, "items": 2, "rows": 2}).read(root)
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"MovieLens: the files have 1 users instead of 43,181, 2 rows instead of 3;"):
        MovieLens(expected={"users": 43181, "items": 2, "rows": 3}).read(root)
    with pytest.raises(ConfigError, match=r"source\.expected: 'films' is none of users, items"):
        MovieLens(expected={"films": 3})
