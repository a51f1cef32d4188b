"""What is tried again is no message on the terminal."""

from __future__ import annotations

import logging

import pytest

from asmg_pl.storage.bucket import Bucket


def test_a_connection_that_is_cut_is_not_told_by_the_library_below(caplog: pytest.LogCaptureFixture) -> None:
    Bucket("memory://quiet")
    for error in (ConnectionResetError("cut"), ValueError("other")):
        logging.getLogger("asyncio").error("never retrieved: %s", error, exc_info=error)
    assert [record.getMessage() for record in caplog.records] == ["never retrieved: other"]
