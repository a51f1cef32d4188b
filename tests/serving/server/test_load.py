"""Versions are published and gone back to while requests are sent: none fails, and none gets a mixture of two."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
from benchmarks.http_load import Sent
from benchmarks.serve_load import BACK, PUBLISHED, Asked, Expected, add_arguments, compared, measure

ASKED: list[Asked] = [("/score", {"user": 1, "items": [5, 6]})]
EXPECTED: dict[str, list[Expected]] = {
    "first": [([5, 6], np.array([0.25, 0.5], np.float32))],
    "second": [([5, 6], np.array([0.125, 0.75], np.float32))],
}


def answer(version: str, scores: list[float], status: int = 200, items: tuple[int, ...] = (5, 6)) -> Sent:
    """An answer to the request."""
    body = json.dumps({"version": version, "items": list(items), "scores": scores})
    return Sent(0, 0.0, 0.001, status, body.encode())


def test_an_answer_is_that_of_the_version_which_it_names() -> None:
    right = [answer("first", [0.25, 0.5]), answer("second", [0.125, 0.75])]
    assert compared(right, ASKED, EXPECTED) == (0, 0, [])


@pytest.mark.parametrize(
    "other",
    [
        answer("first", [0.25, 0.75]),
        answer("first", [0.125, 0.75]),
        answer("first", [0.25, 0.5], items=(6, 5)),
        answer("third", [0.25, 0.5]),
        answer("first", [0.25, float("nan")]),
    ],
    ids=["half of each", "another's", "items of another", "no version", "no number"],
)
def test_an_answer_of_two_versions_or_of_none_is_found(other: Sent) -> None:
    right = [answer("first", [0.25, 0.5]), answer("second", [0.125, 0.75])]
    assert compared([*right, other], ASKED, EXPECTED) == (0, 1, [])


def test_failures_and_versions_that_never_answered_are_found() -> None:
    assert compared([answer("first", [0.25, 0.5]), answer("", [], 503)], ASKED, EXPECTED) == (1, 0, ["second"])
    assert compared([Sent(0, 0.0, 0.0, 0, b"")], ASKED, EXPECTED) == (1, 0, ["first", "second"])


@pytest.mark.slow
def test_no_request_fails_and_no_answer_is_mixed_while_versions_change() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    small = ["--users", "50", "--items", "400", "--history", "5", "--candidates", "30", "--seconds", "4"]
    figures = measure(parser.parse_args(small))
    assert figures["failed"] == figures["answers of no version, or of two"] == 0
    assert figures["versions that took over"] == PUBLISHED == 10
    assert figures["versions gone back to"] == BACK == 2
    assert figures["requests"] > 20
