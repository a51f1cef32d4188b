"""Opens the files to convert: the given files, and the files in given folders, each once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from asmg_pl.data.tables.files import ParquetFile, PartitionFile, TableFile, TextFile
from asmg_pl.data.tables.header import unlike_a_header
from asmg_pl.data.tables.json_lines import JsonLinesFile
from asmg_pl.data.tables.packing import PACKED
from asmg_pl.data.tables.text import Dialect
from asmg_pl.errors import DataError

#: The delimiter of a text file by the ending of its name; ``.gz`` or ``.zst`` may follow.
DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
PARQUET = {".parquet", ".pq"}
JSON_LINES = {".jsonl", ".ndjson", ".json"}
_TABLES = DELIMITERS.keys() | PARQUET | JSON_LINES
_ENDINGS = ".csv, .tsv, .tab, .txt, .jsonl, .ndjson, .json (.gz, .zst), .parquet or .pq"
_PACKED = "unpack it, or compress it with gzip (.gz) or zstd (.zst)"
_OTHER = "convert it to CSV, JSON lines or Parquet first"
#: What to do with files of other formats, by the ending of their names.
_MENDS = {
    **dict.fromkeys((".zip", ".bz2", ".xz", ".lz4", ".7z", ".rar", ".tar", ".tgz", ".snappy", ".br"), _PACKED),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".feather", ".arrow", ".ipc"), _OTHER),
    **dict.fromkeys((".orc", ".avro", ".pkl", ".pickle", ".h5", ".hdf5", ".sqlite", ".npy", ".npz", ".mat"), _OTHER),
}
#: The first bytes of files that are not text, whatever their names are.
_BEGINNINGS = {
    b"PK\x03\x04": ("a zip archive or an Excel file", f"{_PACKED}, or save it as CSV"),
    b"BZh": ("compressed with bzip2", _PACKED),
    b"\xfd7zXZ": ("compressed with xz", _PACKED),
    b"7z\xbc\xaf": ("a 7z archive", _PACKED),
    b"PAR1": ("Parquet", "let its name end in .parquet"),
    b"ORC": ("ORC", _OTHER),
    b"Obj\x01": ("Avro", _OTHER),
    b"ARROW1": ("Arrow", _OTHER),
    b"\x89HDF": ("HDF5", _OTHER),
    b"SQLite format 3": ("a database", _OTHER),
    **dict.fromkeys((b'{"', b"[{", b"{\n"), ("JSON", "write one object per line, and let its name end in .jsonl")),
    **dict.fromkeys((b"<!DOCTYPE", b"<!doctype", b"<html"), ("a web page", "fetch the file again")),
}
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def open_tables(
    paths: Sequence[str | Path], delimiter: str | None, quote: str, names: Sequence[str] = ()
) -> list[TableFile]:
    """Open files and the files in folders, in the order given; a folder's files come in the order of their paths.

    Args:
        paths: files and folders.
        delimiter: the delimiter of a text file's fields; by default the file's name tells.
        quote: the character that may enclose a field, ``""`` for none.
        names: the names of the columns of text files that have no header.

    Raises:
        DataError: if there is no file, or one cannot be opened or is given twice. The message names all such files.
    """
    tables: list[TableFile] = []
    problems = []
    seen: set[Path] = set()
    twins: dict[Path, Path] = {}
    for path in map(Path, paths):
        files = input_files([path])
        if not files:
            problems.append(f"folder {path} has no file whose name ends in {_ENDINGS}{_what_else(path)}")
        for file in files:
            if file.resolve() in seen:
                problems.append(f"{file} is given twice, so that its rows would count twice")
            elif (twin := twins.setdefault(file.parent / _stem(file), file)) is not file:
                problems.append(f"{twin} and {file} seem to be one file in two formats: give one, or rename one")
            seen.add(file.resolve())
            try:
                tables.append(_open(file, delimiter, quote, names))
            except DataError as error:
                problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return tables


def _open(path: Path, delimiter: str | None, quote: str, names: Sequence[str]) -> TableFile:
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    kind = _kind(path)
    if kind in PARQUET | JSON_LINES:
        if names:
            raise DataError(f"{path}: --columns is for text files without a header, this file has names")
        return _with_partitions(ParquetFile(path) if kind in PARQUET else JsonLinesFile(path))
    if beginning := _beginning(path):
        raise DataError(f"{path} is {beginning[0]}: {beginning[1]}")
    if kind in _MENDS:
        raise DataError(f"{path}: the name of an input file ends in {_ENDINGS}, not in {kind}: {_MENDS[kind]}")
    between = delimiter or DELIMITERS.get(kind)
    if between is None:
        raise DataError(
            f"{path}: the name of an input file ends in {_ENDINGS}, not in {kind or 'nothing'}; if it is text, give "
            "--delimiter"
        )
    file = TextFile(path, Dialect(between, quote if len(between) == 1 else ""), names)
    if names and (problem := _unlike_the_columns(file.first, names)):
        raise DataError(f"{path}: {problem}")
    return _with_partitions(file)


def _unlike_the_columns(first: Sequence[str], names: Sequence[str]) -> str | None:
    """Why the first record of a file cannot be a row of columns with these names; ``None`` if it can."""
    if problem := unlike_a_header(first):
        return problem
    if list(first) == list(names):
        return "its first line has the names of --columns: leave --columns out"
    if len(first) != len(names):
        return f"its first line has {len(first)} fields, but --columns names {len(names)}: give a name for each"
    return None


def _with_partitions(table: TableFile) -> TableFile:
    pairs = (part.split("=", 1) for part in table.path.parent.parts if "=" in part)
    values = {name: None if value == _NULL_PARTITION else unquote(value) for name, value in pairs if name}
    return PartitionFile(table, values) if values else table


def _kind(path: Path) -> str:
    return (Path(path.stem).suffix if path.suffix in PACKED else path.suffix).lower()


def _stem(path: Path) -> str:
    plain = Path(path.stem if path.suffix in PACKED else path.name)
    return plain.stem if plain.suffix.lower() in _TABLES else plain.name


def _beginning(path: Path) -> tuple[str, str] | None:
    with path.open("rb") as file:
        first = file.read(16)
    return next((known for begin, known in _BEGINNINGS.items() if first.startswith(begin)), None)


def input_files(paths: Sequence[str | Path]) -> list[Path]:
    """The given files, there or not, and in the place of each folder its files in the order of their paths."""
    return [file for path in map(Path, paths) for file in (_in_folder(path) if path.is_dir() else [path])]


def _in_folder(folder: Path) -> list[Path]:
    """The input files of a folder. Files of rows in other formats are among them, so that a message names them."""
    return [path for path in _every_file(folder) if _kind(path) in _TABLES | _MENDS.keys()]


def _every_file(folder: Path) -> Iterator[Path]:
    """The files in a folder and its folders, without hidden ones, in the order of their paths."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        found += [Path(place) / name for name in files if not name.startswith((".", "_"))]
    return iter(sorted(path for path in found if path.is_file()))


def _what_else(folder: Path) -> str:
    others = [path.name for path in _every_file(folder)]
    shown = ", ".join(others[:3]) + (f" and {len(others) - 3:,} more" if len(others) > 3 else "")
    return f", only {shown}: if these are text, give them as files, with --delimiter" if others else ""
