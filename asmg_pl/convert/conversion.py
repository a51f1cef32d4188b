"""Converts a user's files to a stream."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import cast

import polars as pl

from asmg_pl.convert import bounds
from asmg_pl.convert.catalogue import catalogue_of
from asmg_pl.convert.done import Conversion
from asmg_pl.convert.elsewhere import written_at
from asmg_pl.convert.fetching import Inputs, at_hand
from asmg_pl.convert.in_stream import LATE
from asmg_pl.convert.kept import publish, to_keep
from asmg_pl.convert.place import looked_at, place
from asmg_pl.convert.reading import Found, read
from asmg_pl.convert.repeated import Repeated
from asmg_pl.convert.rules import Engine, Rules, check_place, check_sides
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.sources import SOURCES, SourceFile, written
from asmg_pl.data.negatives import add_negatives
from asmg_pl.data.stream import StreamWriter, open_stream, read_names
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.columns import OF_FEATURES
from asmg_pl.data.tables.late import Treatment
from asmg_pl.data.tables.quarantine import Quarantine
from asmg_pl.data.tables.rows import progress
from asmg_pl.storage.address import is_address


def convert(
    files: Sequence[str | Path] | Inputs,
    out: str | Path,
    settings: Settings,
    items: str | Path | None = None,
    append: bool = False,
    max_bad_rows: int = 0,
    start: str | None = None,
    end: str | None = None,
    late: Treatment = "refuse",
    repeated: Repeated = "refuse",
    wait: float = 0.0,
    users: str | Path | None = None,
    query: str | None = None,
    engine: Engine = "polars",
) -> Conversion:
    """Convert files of interactions to a stream, which ``asmg fit`` walks.

    The rows may be in any order; rows with equal times keep their order. Everything is checked before anything is
    written.

    Args:
        files: CSV or TSV with a header, JSON lines (UTF-8, also compressed: .gz, .zst), Parquet, or folders of such
            files. They may be addresses too, such as s3://shop/clicks/*.parquet or https://shop/clicks.csv; or the
            address of a database, see --query.
        out: the folder of the stream, or its address, such as s3://bucket/clicks.
        settings: the meaning of the rows.
        items: a file of the items' categories and features, with one row per item, or several.
        append: add the rows to the stream. They must not be earlier than its end. Options that are left out are as
            before.
        max_bad_rows: the most malformed rows to leave out. The stream's quarantine.csv lists them with file, line and
            reason. 0 by default, since only you can say which rows a stream may lack.
        start: the first day to keep (UTC), as in 2014-01-31.
        end: the last day to keep (UTC).
        late: the treatment of rows that are earlier than the stream's end. refuse: they count as malformed rows. drop:
            they are left out and counted, however many. quarantine: quarantine.csv lists them too. next: they are
            written with the time of the stream's end, and so count in the period that is not over.
        repeated: the treatment of files that the stream has taken before, of rows up to its end that it has already,
            and of rows that another file of the same time has. refuse: nothing is written. drop: they are left out.
            keep: they are written, since they are no mistake.
        wait: the seconds to wait while another program writes the stream.
        users: a file of the users' features, one row per user or several at other times.
        query: the SQL query that gives the rows, where FILE is the address of a database, such as sqlite:///shop.db or
            postgresql://name@host/shop.
        engine: what converts. polars: this process. spark: a Spark session, which writes the same bytes, for streams
            that one machine is too small for.

    Raises:
        BusyError: if another program is writing the stream.
        ConfigError: if the options contradict each other or the stream.
        DataError: if a file is missing or damaged, a column is missing or of another kind, or too many rows are
            malformed.
        NothingNewError: if there is no row, or all rows are late or repeated.
    """
    if is_address(out):
        with written_at(out, append) as local:
            return convert(
                *(files, local, settings, items, append, max_bad_rows, start, end),
                *(late, repeated, wait, users, query, engine),
            )
    folder, rules = Path(out), Rules.of(start, end, max_bad_rows, late, repeated)
    check_place(folder, append, wait)
    if append:
        settings = Settings.of(vars(settings), folder)
    check_sides(settings, items, users, append)
    beside = items, users, query  # Inputs are at hand with theirs
    inputs = nullcontext(files) if isinstance(files, Inputs) else at_hand(files, *beside, folder, wait)
    if engine == "spark":
        from asmg_pl.convert.spark.conversion import convert_files  # Spark takes seconds, and is an extra

        with inputs as given, place(folder, append, wait) as stream:
            return convert_files(given, stream, settings, rules, append)
    with inputs as given, place(folder, append, wait) as stream:
        sources, before = looked_at(given.files, stream, append)
        quarantine, days = Quarantine(max_bad_rows), rules.days(settings.read_unit)
        found = read(given.files, given.items, given.users, settings, quarantine, days, stream, late, repeated, before)
        rows, positives = found.rows, len(found.rows)
        if settings.all_positive:
            rows = rows.with_columns(label=pl.lit(1, pl.UInt8))
        if settings.negatives:
            past = _past(folder) if append else None
            rows = add_negatives(rows, settings.negatives, settings.negative_rule, settings.seed, past)
            rows = rows.with_columns(_unwanted(name) for name in rows.columns if name.startswith("further "))
        without_side = []
        for side in found.sides:  # negatives have the features of their own items
            rows, any_found = side.join(rows)
            without_side += [] if any_found else [side.name]
        rows = rows.rename({name: name.split(" ", 1)[1] for name in rows.columns if name.startswith(OF_FEATURES)})
        rows = rows.select("user", "item", "label", "time", *settings.all_context, *settings.features.columns)
        known = (
            None
            if items is None or settings.categories is None
            else catalogue_of(found.categories, rows["item"].dtype, settings.separator)
        )
        malformed = given.named(quarantine.listed().decode()).encode()
        kept = to_keep(stream, settings.written(), malformed) | _read_in(found, sources)
        for source in sources:
            source.check_unchanged()
        recategorised = 0
        writer = StreamWriter(stream, settings.history, settings.longest_history, features=settings.features)
        # A new stream is written beside its place, part by part, which bounds memory, and moves there when it is whole.
        parts = [rows] if append else rows.iter_slices(bounds.MOST_ROWS)
        with progress("write", len(rows), " rows") as bar:
            for number, part in enumerate(parts):
                recategorised += writer.append(part, known, {} if number else kept)
                bar.update(len(part))
        publish(stream)
        manifest = Manifest.read(stream)
        only_positives = _only_positives(stream, rows["label"], settings)
        like_numbers = () if append else _like_numbers(stream, manifest)
    return Conversion(
        rows=len(rows),
        left_out=found.left_out,
        quarantined=quarantine.count - quarantine.late,
        without_negative=positives * (1 + settings.negatives) - len(rows),
        without_category=known is not None and not manifest.categories,
        without_side=tuple(without_side),
        like_numbers=like_numbers,
        cut_lists=sum(int((rows[name].list.len() > settings.list_size).sum()) for name in settings.features.lists),
        list_size=settings.list_size,
        histories=settings.longest_history > 0,
        label_mean=float(cast(float, rows["label"].mean())),
        first=rows["time"][0],
        last=rows["time"][-1],
        stream_rows=sum(part.rows for part in manifest.parts),
        sizes=manifest.sizes,
        filtered=found.filtered,
        never=found.never,
        late=quarantine.late + quarantine.set_aside + found.dropped,
        dropped=found.dropped,
        entered_late=len(found.late),
        not_compared=found.not_compared,
        repeated=found.repeated,
        passed_over=found.passed_over,
        recategorised=recategorised,
        only_positives=only_positives,
        parts=len(manifest.parts),
    )


def _read_in(found: Found, sources: Sequence[SourceFile]) -> dict[str, bytes]:
    """The files that a part keeps about where its rows come from: the taken files, and the rows that entered late."""
    kept = {SOURCES: written(() if found.left_out else sources)}  # rows of other days may still be wanted
    if len(found.late):
        table = BytesIO()
        found.late.write_parquet(table)
        kept[LATE] = table.getvalue()
    return kept


def _only_positives(stream: Path, newest: pl.Series, settings: Settings) -> bool:
    """Whether no row of a stream has label 0; the newest labels are looked at first, then parts until one has a 0."""
    if settings.all_positive and not settings.negatives:
        return True
    return not (newest == 0).any() and all(bool(part.label.all()) for part in open_stream(stream).parts)


def _like_numbers(stream: Path, manifest: Manifest) -> tuple[str, ...]:
    """The context features whose values seem to be numbers: many, or not all of them whole ones."""
    found = []
    for number, name in enumerate(manifest.context):
        texts = read_names(stream, f"context-{number}").cast(pl.String)
        found += [name] if _seem_numbers(texts) else []
    return tuple(found)


def _unwanted(label: str) -> pl.Expr:
    """A further label of rows with negatives: 0 for a negative, unless nobody knows that of its positive."""
    return (
        pl.when((pl.col("label") == 1) | pl.col(label).is_nan())
        .then(label)
        .otherwise(0.0)
        .cast(pl.Float32)
        .alias(label)
    )


def _seem_numbers(texts: pl.Series) -> bool:
    values = texts.filter(texts != "")
    if values.head(bounds.MANY_VALUES).cast(pl.Float64, strict=False).null_count():
        return False  # most texts are told by the first ones
    number = values.cast(pl.Float64, strict=False)
    whole = bool((number == number.floor()).all())
    return len(number) > 0 and not number.null_count() and (len(number) > bounds.MANY_VALUES or not whole)


def _past(folder: Path) -> pl.DataFrame:
    """The positive rows of the stream, with the names of users and items, and times."""
    log = open_stream(folder)
    positive = log.label.bool()
    names = {"user": read_names(folder, "users"), "item": read_names(folder, "items")}
    ids = {"user": log.user[positive].numpy(), "item": log.item[positive].numpy()}
    columns = {role: names[role].gather(ids[role]).alias(role) for role in names}
    return pl.DataFrame({**columns, "time": log.time[positive].numpy()})
