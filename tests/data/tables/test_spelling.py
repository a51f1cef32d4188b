"""One id, one spelling."""

from __future__ import annotations

import polars as pl
import pytest

from asmg_pl.data.tables.spelling import Spelling, doubtful, twofold, unified

SAME = [
    ("12", "12.0"),
    ("12", "12."),
    ("12", "0012"),
    ("12", "+12"),
    ("12", " 12"),
    ("12", "12 "),
    ("12", "12\u00a0"),
    ("12", "\u200b12"),
    ("12", "1.2e1"),
    ("1000", "1e3"),
    ("1000", "1E+03"),
    ("0", "-0"),
    ("0", "0.0"),
    ("0", "-0.0"),
    ("-7", "-07"),
    ("0.5", ".5"),
    ("0.5", "0.50"),
    ("18446744073709551615", "018446744073709551615.0"),
    ("u18", "u18 "),
    ("u 18", "\tu 18"),
    ("Zoë", "Zoe\u0308"),
]
OTHER = [
    ("12", "120"),
    ("u18", "U18"),
    ("1", "10"),
    ("a b", "ab"),
    ("9007199254740993", "9007199254740992"),
    ("12", "12a"),
]


def one(text: str) -> str | None:
    found: str | None = pl.select(unified(pl.lit(text))).item()
    return found


@pytest.mark.parametrize(("plain", "other"), SAME)
def test_two_spellings_of_one_id_are_found_in_either_order(plain: str, other: str) -> None:
    assert one(plain) == plain
    assert one(other) == plain
    for first, second in ((plain, other), (other, plain)):
        found = twofold(pl.Series([first, "x", second, "y"]))
        assert found is not None
        assert {found.one, found.other, found.ids} == {plain, other, 1}
        assert twofold(pl.Series([first, "x"]), pl.Series([second, "y"])) is not None
        assert twofold(pl.Series([first, "x"]), pl.Series(["z", "y"])) is None


@pytest.mark.parametrize(("plain", "other"), OTHER)
def test_different_ids_are_different(plain: str, other: str) -> None:
    assert one(plain) != one(other)
    assert twofold(pl.Series([plain, other])) is None


@pytest.mark.parametrize(("word", "number"), [("True", "1"), ("true", "1"), ("False", "0"), ("true", "True")])
def test_words_for_true_and_false_are_spellings_of_1_and_0(word: str, number: str) -> None:
    assert twofold(pl.Series([word, number])) is not None


def test_numbers_of_the_stream_are_compared_with_text() -> None:
    assert twofold(pl.Series(["012", "x"]), pl.Series([12, 13])) is not None
    assert twofold(pl.Series(["12", "x"]), pl.Series([12, 13])) is None


def test_two_spellings_that_the_stream_has_had_are_not_told_again() -> None:
    assert twofold(pl.Series(["12"]), pl.Series(["12", "012"])) is None
    assert twofold(pl.Series(["12.0"]), pl.Series(["12", "012"])) is not None


def test_a_number_whose_last_digits_are_lost_is_no_id() -> None:
    assert one("1.2345678901234568e+18") is None


def test_missing_values_of_a_feature_are_one_value() -> None:
    for one_, other in (("", "NA"), ("nan", "NULL"), ("\\N", "None")):
        assert twofold(pl.Series([one_, other, "tv"]), feature=True) is not None
        assert twofold(pl.Series([one_, one_, "tv"]), feature=True) is None
        assert twofold(pl.Series([one_, other, "tv"])) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "\\N",
            "NA",
            "N/A",
            "n/a",
            "NaN",
            "nan",
            "null",
            "NULL",
            "Null",
            "None",
            "none",
            "<NA>",
            "undefined",
            "-",
            "?",
        ),
        *("(null)", "nil", "unknown", "NaT", "#N/A", " null "),
    ],
)
def test_a_text_that_means_missing_is_found(text: str) -> None:
    assert doubtful(pl.Series("user", ["u1", text, "u2", text])) == (text, 2)


def test_other_texts_are_ids() -> None:
    assert doubtful(pl.Series("user", ["u1", "Nanette", "nullify", "NASA", "0", "--x"])) is None


def test_what_is_said_to_be_missing_is_null() -> None:
    frame = pl.DataFrame({"text": ["\\N", "u1", " NA ", "na", None, "012"]})
    missing = Spelling(None, ("\\N", "NA"))
    assert frame.select(missing.of(pl.col("text"))).to_series().to_list() == [None, "u1", None, "na", None, "012"]
    both = Spelling("unified", ("\\N",))
    assert frame.select(both.of(pl.col("text"))).to_series().to_list() == [None, "u1", "NA", "na", None, "12"]
