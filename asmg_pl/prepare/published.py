"""Which data sets can be prepared, and where their publishers have them."""

from __future__ import annotations

from dataclasses import dataclass

_GROUPLENS = "https://files.grouplens.org/datasets/movielens"
_SOBAZAAR = "https://github.com/hainguyen-telenor/Learning-to-rank-from-implicit-feedback"


@dataclass(frozen=True)
class Published:
    """A data set.

    Attributes:
        url: the file to download; ``None`` if it needs a login.
        files: what must be in the folder when it is ready.
        walk: options of ``asmg fit`` that read it.
        md5: whether the publisher has an MD5 checksum beside the file, at the same address with ``.md5``.
        by_hand: how to get it where it cannot be downloaded.
    """

    url: str | None
    files: tuple[str, ...]
    walk: str
    md5: bool = False
    by_hand: str = ""


def _movielens(name: str, kind: str = "csv", walk: str = "--config configs/movielens_small.yaml") -> Published:
    return Published(f"{_GROUPLENS}/{name}.zip", (f"ratings.{kind}", f"movies.{kind}"), walk, md5=True)


PUBLISHED = {
    "ml-latest-small": _movielens("ml-latest-small"),
    "ml-latest": _movielens("ml-latest"),
    "ml-32m": _movielens("ml-32m"),
    "ml-25m": _movielens("ml-25m", walk="--config configs/movielens_25m.yaml"),
    "ml-10m": _movielens("ml-10m", "dat"),
    "ml-1m": _movielens("ml-1m", "dat"),
    "sobazaar": Published(
        f"{_SOBAZAAR}/raw/master/Data/Sobazaar-hashID.csv.gz",
        ("Sobazaar-hashID.csv.gz",),
        "--config configs/sobazaar.yaml",
    ),
    "tmall": Published(
        None,
        ("user_log_format1.csv",),
        "--config configs/tmall.yaml",
        by_hand="log in at https://tianchi.aliyun.com/dataset/42, download data_format1, unpack it",
    ),
}
