"""Texts become the values of features, whichever way is fast enough to find them."""

from __future__ import annotations

import math

import polars as pl
import pytest

from asmg_pl.data.tables.columns import Column, feature, number


def parsed(column: Column, *texts: str | None) -> list[object]:
    """The values of these texts."""
    return pl.Series("text", texts, pl.String).to_frame().select(column.parse(pl.col("text"))).to_series().to_list()


@pytest.mark.parametrize("blank", ["", " ", "\t", " \u00a0", "\u2003", "\x0b ", None])
def test_blank_texts_are_one_value_of_a_feature(blank: str | None) -> None:
    assert parsed(feature("device"), "é", blank, " x ", "~") == ["é", "", " x ", "~"]


def test_true_and_false_are_one_and_zero_beside_blank_texts() -> None:
    assert parsed(feature("device"), "true", " ", "False", "truely") == ["1", "", "0", "truely"]


@pytest.mark.parametrize("blank", ["", " ", "\u2003", None])
def test_blank_texts_are_missing_numbers(blank: str | None) -> None:
    found = parsed(number("--numbers", "price"), "1.5", blank, "", "-2e3")
    assert found[0] == 1.5
    assert found[3] == -2000
    assert all(isinstance(value, float) and math.isnan(value) for value in found[1:3])


@pytest.mark.parametrize("text", ["x", "nan", "inf", "-inf", "1e39", "NULL"])
def test_texts_that_are_no_numbers_of_32_bits_are_malformed(text: str) -> None:
    assert parsed(number("--numbers", "price"), "1", text)[1] is None


def test_numbers_without_a_value_are_missing() -> None:
    assert all(map(math.isnan, parsed(number("--numbers", "price"), "", None)))  # type: ignore[arg-type]
