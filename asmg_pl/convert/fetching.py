"""Inputs that are not files of this machine: objects of a store, files on the web, and the rows of a query.

s3://…, https://…      ─▶ files ┐
a database and a query ─▶ file  ┴─▶ a folder beside the stream, for as long as the conversion runs

Everything is fetched before it is read, once, so that all checks see the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl

from asmg_pl.data.tables.rows import progress
from asmg_pl.errors import ConfigError, DataError, UserError
from asmg_pl.storage.address import is_address, shown
from asmg_pl.system.lock import locked

_DATABASES = ("sqlite", "postgres", "postgresql")
_WEB = ("http", "https")


@dataclass(frozen=True)
class Inputs:
    """The inputs as files of this machine.

    Attributes:
        files: the files and folders of rows.
        items: the file of the items; ``None`` if there is none.
        users: the file of the users; ``None`` if there is none.
        addresses: the addresses of fetched files by path, without names of users, passwords and keys.
    """

    files: list[str | Path]
    items: str | Path | None
    users: str | Path | None
    addresses: dict[str, str] = field(default_factory=dict)

    def named(self, text: str) -> str:
        """A text in which fetched files have their addresses."""
        for path in sorted(self.addresses, key=len, reverse=True):
            text = text.replace(path, self.addresses[path])
        return text


@contextmanager
def at_hand(
    files: Sequence[str | Path],
    items: str | Path | None,
    users: str | Path | None,
    query: str | None,
    folder: Path,
    wait: float = 0.0,
) -> Iterator[Inputs]:
    """Fetch what is not on this machine. It is removed afterwards.

    Args:
        files: files, folders, or addresses of files, folders and databases.
        items: the file of the items, or its address.
        users: the file of the users, or its address.
        query: the query to the database that stands in the place of the files.
        folder: the stream, beside which fetched files lie meanwhile.
        wait: the seconds to wait for another program that fetches files for the same stream.

    Raises:
        BusyError: if another program fetches files for the same stream.
        ConfigError: if a query has no database, or a database no query.
        DataError: if something cannot be fetched. Errors of the reader name the addresses of fetched files.
    """
    _check(files, [items, users], query)
    if not any(is_address(one) for one in (*files, items, users)):
        yield Inputs(list(files), items, users)
        return
    aside = folder.parent / f".{folder.name}.fetched"
    aside.mkdir(parents=True, exist_ok=True)
    with locked(aside / ".lock", f"files for {folder} are being fetched", "choose another --out", wait):
        place, addresses = aside / "files", dict[str, str]()
        shutil.rmtree(place, ignore_errors=True)  # the remains of a killed conversion
        try:
            here = [_local(one, query, place / str(number), addresses) for number, one in enumerate(files)]
            beside = {
                role: None if one is None else _local(one, None, place / role, addresses)[0]
                for role, one in {"items": items, "users": users}.items()
            }
            inputs = Inputs([path for paths in here for path in paths], **beside, addresses=addresses)
            try:
                yield inputs
            except UserError as error:
                raise type(error)(inputs.named(str(error))) from None
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _check(files: Sequence[str | Path], tables: Sequence[str | Path | None], query: str | None) -> None:
    databases = [one for one in (*files, *tables) if is_address(one) and urlsplit(str(one)).scheme in _DATABASES]
    if query is not None and (len(files) != 1 or databases != list(files)):
        raise ConfigError("--query asks one database: give its address in the place of FILE, such as sqlite:///shop.db")
    if query is None and databases:
        raise ConfigError(f"{shown(str(databases[0]))} is a database: say with --query which rows it should give")


def _local(name: str | Path, query: str | None, place: Path, addresses: dict[str, str]) -> Sequence[str | Path]:
    """The files of an input on this machine, fetched into a folder if they are elsewhere."""
    if not is_address(name):
        return [name]
    address = str(name)
    if query is not None:
        place.mkdir(parents=True)
        path = place / "rows.parquet"
        _answer(address, query).write_parquet(path)
        addresses[str(path)] = shown(address)
        return [path]
    try:
        return _fetched(address, place, addresses)
    except UserError:
        raise
    except Exception as error:  # each kind of store has errors of its own
        why = f"{type(error).__name__}: {error}".replace(address, shown(address)).splitlines()[0]
        raise DataError(
            f"{shown(address)} cannot be fetched ({why}): see to the address, the network and your rights there"
        ) from None


def _answer(address: str, query: str) -> pl.DataFrame:
    """The rows that a database gives for a query."""
    try:
        import adbc_driver_manager
    except ModuleNotFoundError:
        raise DataError("a database is read through ADBC: pip install 'asmg_pl[sql]'") from None
    kind, _, path = address.partition(":///")
    if kind == "sqlite" and not Path(path).is_file():
        raise DataError(
            f"there is no database {path}: write sqlite:///FOLDER/FILE, or sqlite:////FOLDER/FILE from the root"
        )
    try:
        return pl.read_database_uri(query, address, engine="adbc")
    except (adbc_driver_manager.Error, pl.exceptions.PolarsError, ImportError) as error:
        why = " ".join(str(error).replace(address, shown(address)).split())
        raise DataError(f"{shown(address)} does not answer the query {query!r}: {why}") from None


def _fetched(address: str, place: Path, addresses: dict[str, str]) -> list[Path]:
    """Fetch a file, a folder, or the files that a pattern with ``*`` names."""
    from fsspec.core import url_to_fs  # some commands need no network

    store, root = url_to_fs(address)
    on_web = urlsplit(address).scheme in _WEB
    pattern = "*" in root and not on_web
    is_folder = not on_web and not pattern and store.isdir(root)
    found = sorted(store.glob(root) if pattern else store.find(root) if is_folder else [root])
    found = [one for one in found if not _hidden(one.removeprefix(root))]
    if not found:
        raise DataError(f"{shown(address)} has no file: see to the address")
    sizes = [store.info(one).get("size") for one in found]
    paths = [place / _relative(one) for one in found]
    with progress("fetch", sum(size or 0 for size in sizes), "B") as bar:
        for one, path, size in zip(found, paths, sizes, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(store, one, path, size)
            addresses[str(path)] = shown(one if "://" in one else f"{urlsplit(address).scheme}://{one.lstrip('/')}")
            bar.update(size or 0)
    if is_folder:
        addresses[str(place / _relative(root))] = shown(address).rstrip("/")
    return [place / _relative(root)] if is_folder else paths


def _fetch(store: Any, one: str, path: Path, size: int | None) -> None:
    store.get_file(one, str(path))
    if size is not None and path.stat().st_size != size:
        raise DataError(f"{shown(one)} was cut off: {path.stat().st_size:,} of {size:,} bytes came, try again")


def _hidden(path: str) -> bool:
    """Whether a file of a folder is none of its rows, as :mod:`asmg_pl.data.tables.opening` has it."""
    return any(part.startswith((".", "_")) for part in path.split("/") if part)


def _relative(path: str) -> Path:
    """Where a file lies below the folder of fetched ones: its path at its place, with the folders ``KEY=VALUE``."""
    plain = unquote(urlsplit(path).path) if "://" in path else path
    return Path(*[part for part in plain.split("/") if part not in ("", ".", "..")])
