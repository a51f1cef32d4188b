"""A shop that has walked its first days; each test gets a copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from operations.shop import Shop


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop before its first update; not to be changed."""
    return Shop.opened(tmp_path_factory.mktemp("shop") / "opened")


@pytest.fixture
def shop(opened: Shop, tmp_path: Path) -> Shop:
    """A copy of it."""
    return opened.copied(tmp_path / "shop")
