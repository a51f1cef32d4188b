"""The files of a run folder, read with care: they may be damaged, cut off, huge, in another encoding, or no files.

Each function returns what it promises, or raises one error that names the file and what is wrong with it.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from asmg_pl.errors import DataError
from asmg_pl.system.escaping import terminal

#: The most bytes that a file of settings, or of scores, has; larger files are no files of a run.
LARGEST_SETTINGS, LARGEST_TABLE = 2**20, 2**29

#: Values that settings have at most, counted wherever they appear: a few lines can stand for billions.
MOST_SETTINGS = 100_000

#: libyaml's reader of plain values, ten times as fast as Python's, where it is installed.
_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

SPLITS = ("selection", "warm-up", "test", "seen")
COUNTS = ("rows", "positives", "new_user_rows", "new_item_rows")
_SHARE = re.compile("_g?auc(_|$)")


def text_of(path: Path, largest: int) -> str:
    """What a text file says.

    Raises:
        DataError: if it is no file, cannot be read, is larger than it should be, or is not in UTF-8.
    """
    try:
        if not path.is_file():
            raise DataError(f"{path} is no file")
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > largest:
        raise DataError(f"{path} is larger than {largest:,} bytes, which is more than a run writes there")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8 (byte {error.start}): it is damaged, or was saved otherwise") from None
    if "\0" in text:
        raise DataError(f"{path} is damaged: there are zero bytes in it, or it was not saved in UTF-8")
    return text


def settings_of(path: Path) -> dict[str, Any]:
    """A file of settings, nested.

    Raises:
        DataError: if it cannot be read, or holds anything but settings by name.
    """
    text = text_of(path, LARGEST_SETTINGS)
    try:
        told = yaml.load(text, _FAST)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, TypeError) as error:
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise DataError(f"{path} is no YAML of plain values: {terminal(reason)[:200]}") from None
    told = {} if told is None else told
    if not isinstance(told, dict) or not all(isinstance(name, str) for name in told):
        raise DataError(f"{path} holds no settings by name, but {terminal(text.strip()[:40])!r}")
    ahead: list[Any] = [told]
    for _ in range(MOST_SETTINGS):
        if not ahead:
            return told
        value = ahead.pop()
        ahead += value.values() if isinstance(value, dict) else value if isinstance(value, (list, set, tuple)) else ()
    raise DataError(f"{path} holds more than {MOST_SETTINGS:,} values, which no settings of a walk do")


def section(told: Mapping[str, Any], *names: str, path: Path | str = "") -> dict[str, Any]:
    """A part of settings that holds settings by name; empty where it is left out.

    Raises:
        DataError: if it is anything else.
    """
    inner: Any = told
    for name in names:
        inner = inner.get(name) or {}
        if not isinstance(inner, dict):
            raise DataError(f"{path}: {'.'.join(names)} must be settings by name, not {terminal(str(inner))[:40]}")
    return dict(inner)


def table_of(path: Path, kinds: Mapping[str, type], other: type | None = None) -> pl.DataFrame:
    """A table.

    Args:
        path: of the CSV file.
        kinds: the columns that it must have, with ``int``, ``float`` or ``str``; an empty cell is null where it is a
            number, and refused where it is a whole number.
        other: what all further columns hold; without it they are left out.

    Raises:
        DataError: naming the line, if it cannot be read.
    """
    text = text_of(path, LARGEST_TABLE)
    if not text.endswith("\n"):
        raise DataError(f"{path} {'is empty' if not text else 'ends in the middle of a line: it was cut off'}")
    try:
        header, *lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line] or [[]]
    except csv.Error as error:
        raise DataError(f"{path} is no table: {terminal(str(error))}") from None
    if missing := [name for name in kinds if name not in header]:
        raise DataError(f"{path} has no column {missing[0]!r}")
    if len(set(header)) < len(header):
        raise DataError(f"{path} has two columns of one name")
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise DataError(f"{path}, line {number} has {len(line)} cells, and the header {len(header)}")
    columns = {}
    for name, cells in zip(header, zip(*lines, strict=True) if lines else [()] * len(header), strict=True):
        kind = kinds.get(name, other)
        if kind is not None:
            columns[name] = _column(cells, kind, f"{path}, column {terminal(name)[:40]!r}")
    return pl.DataFrame(columns)


def _column(cells: Iterable[str], kind: type, place: str) -> pl.Series:
    types: dict[type, type[pl.DataType]] = {int: pl.Int64, float: pl.Float64, str: pl.String}
    values: list[Any] = []
    for line, cell in enumerate(cells, start=2):
        try:
            values.append(None if kind is float and not cell else kind(cell))
            if kind is int and not 0 <= values[-1] < 2**53:
                raise ValueError
        except ValueError:
            word = "number" if kind is float else "whole number"
            raise DataError(f"{place}, line {line}: {terminal(cell)[:40]!r} is no {word}") from None
    return pl.Series(values, dtype=types[kind])


def metrics_of(path: Path) -> pl.DataFrame:
    """The scores of a run, as :func:`scored` has them; without rows if it has only been pre-trained.

    Raises:
        DataError: if the file cannot be read, or holds what no walk writes.
    """
    text = text_of(path, LARGEST_TABLE)
    if text == "\n":
        return pl.DataFrame()
    header = text.partition("\n")[0].rstrip("\r").replace('"', "").split(",")
    whole = [name for name in COUNTS if name in header]
    words = [name for name in ("diverged", "served", "why") if name in header]
    kinds: dict[str, type] = {"period": int, "split": str} | dict.fromkeys(whole, int) | dict.fromkeys(words, str)
    return scored(table_of(path, kinds, other=float), str(path))


def scored(table: pl.DataFrame, place: str) -> pl.DataFrame:
    """Scores by period in which what is not defined is null, and what a model that has diverged would have is NaN.

    A model has diverged in a period if the column ``diverged`` names it, if one of its scores is infinite, or, in runs
    without that column, if its rows have no LogLoss, which rows always define.

    Raises:
        DataError: naming the place, if there is no score of a serving model, or a value that cannot be one.
    """
    for name in ("period", "split", "serving_auc", "serving_logloss"):
        if name not in table.columns:
            raise DataError(f"{place} has no column {name!r}")
    if odd := [split for split in set(table["split"].to_list()) if split not in SPLITS]:
        raise DataError(f"{place}: {terminal(str(odd[0]))[:40]!r} is no split, which are {', '.join(SPLITS)}")
    if len(set(table["period"].to_list())) < table.height:
        raise DataError(f"{place} has two rows of period {table.filter(pl.col('period').is_duplicated())['period'][0]}")
    of_model = _columns_by_model(table.columns)
    shares = [name for columns in of_model.values() for name in columns if _SHARE.search(name)]
    for name in shares:
        values = table[name].to_numpy()
        if ((values < 0) | (values > 1)).any() and not np.isinf(values).any():
            raise DataError(f"{place}, column {terminal(name)!r}: an AUC is from 0 to 1")
    names = pl.col("diverged").fill_null("").str.split(" ") if "diverged" in table.columns else None
    diverged = {}
    for model, columns in of_model.items():
        broken = pl.any_horizontal(pl.col(name).is_infinite().fill_null(False) for name in columns)
        if names is not None:
            broken |= names.list.contains(model)
        elif "rows" in table.columns and f"{model}_logloss" in columns:
            broken |= (pl.col("rows") > 0) & pl.col(f"{model}_logloss").is_nan().fill_null(False)
        diverged[model] = broken
    broken_in = {model: rows for model, rows in table.select(**diverged).to_dict().items() if rows.any()}
    changed = []
    for model, columns in of_model.items():
        defined = pl.col(columns).fill_nan(None)
        rows = broken_in.get(model)
        changed.append(defined if rows is None else pl.when(pl.lit(~rows)).then(defined).otherwise(math.nan))
    return table.with_columns(changed).drop("diverged", strict=False).sort("period")


def _columns_by_model(columns: Sequence[str]) -> dict[str, list[str]]:
    """The columns of scores by model; every model has a LogLoss."""
    models = sorted((name.removesuffix("_logloss") for name in columns if name.endswith("_logloss")), key=len)
    found: dict[str, list[str]] = {model: [] for model in models}
    for name in columns:
        if owners := [model for model in models if name.startswith(f"{model}_")]:
            found[owners[-1]].append(name)
    return found


def timings_of(path: Path) -> pl.DataFrame:
    """The phases of a run.

    Raises:
        DataError: if the file cannot be read, or has other columns.
    """
    kinds: dict[str, type] = {"period": int, "phase": str, "steps": int, "seconds": float}
    header = text_of(path, LARGEST_TABLE).partition("\n")[0]
    return table_of(path, kinds | ({"peak_mib": float} if "peak_mib" in header else {})).fill_nan(None)


def learned_of(path: Path) -> pl.DataFrame:
    """What a run's generator has learned.

    Raises:
        DataError: if the file cannot be read, or has other columns.
    """
    return table_of(path, {"period": int, "parameters": str, "quantity": str, "value": float}).fill_nan(None)


def schedule_of(path: Path) -> pl.DataFrame:
    """The settings that self-tuning has let race in a run.

    Raises:
        DataError: if the file cannot be read, or has other columns.
    """
    numbers = ("learning_rate", "passes", "behind", "mini_batches")
    return table_of(path, {"period": int, "turn": int, **dict.fromkeys(numbers, float)}).fill_nan(None)


def provenance_of(path: Path) -> dict[str, Any]:
    """The origin of a run, as :func:`asmg_pl.callbacks.provenance.provenance` describes it.

    Raises:
        DataError: if the file cannot be read, or holds anything else.
    """
    text = text_of(path, LARGEST_SETTINGS)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {terminal(str(error))[:200]}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} holds no origin of a run, but {terminal(text.strip()[:40])!r}")
    for name in ("code", "stream"):
        section(found, name, path=path)
    return found


def peak_of(path: Path) -> float:
    """The memory of a process, in MiB.

    Raises:
        DataError: if the file holds anything but that.
    """
    text = text_of(path, 1000).strip()
    try:
        peak = float(text)
    except ValueError:
        peak = math.nan
    if not 0 <= peak < math.inf:
        raise DataError(f"{path} holds {terminal(text)[:40]!r}, which is no memory in MiB")
    return peak
