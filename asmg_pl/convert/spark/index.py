"""Writes what one task writes for all parts: the categories of the items, and the index for the next append."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from asmg_pl.convert.catalogue import catalogue_of
from asmg_pl.convert.spark.parts import Layout, save
from asmg_pl.convert.spark.tasks import whole
from asmg_pl.data.names import Names
from asmg_pl.data.stream.appending import index_name
from asmg_pl.data.stream.categorising import categorise, update_categories
from asmg_pl.data.stream.reader import CATALOGUE, names_of, read_catalogue, read_frame


@dataclass(frozen=True)
class Index:
    """Writes the categories and the index.

    Attributes:
        layout: where the parts are.
        given: whether a catalogue is given.
        separator: the text between two categories.
    """

    layout: Layout
    given: bool
    separator: str

    def __call__(self, table: pl.DataFrame) -> dict[str, int]:
        """Write them.

        Args:
            table: the rows of the catalogue, ``item`` and ``categories``, as texts.

        Returns:
            The number of all ``categories``, and of the earlier items whose categories change, ``updates``.
        """
        self._tails()
        layout, manifest = self.layout, self.layout.manifest
        new = [read_frame(place / "items.parquet")["name"] for place in layout.places]
        items, categories, waiting, known = new[0].clear(), Names("categories"), None, new[0].clear()
        newest = np.zeros((0, 0), np.int32)
        if manifest.parts:
            known = names_of(layout.stream, manifest, "items")
            categories = Names("categories", names_of(layout.stream, manifest, "categories"))
            before = layout.stream / index_name(len(manifest.parts) - 1) / "catalogue.parquet"
            waiting = read_frame(before) if before.exists() else None
            newest = read_catalogue(layout.stream, manifest)[0].numpy() if self.given else newest
        given = catalogue_of(table, new[0].dtype, self.separator) if self.given else None
        items = known
        for number, (place, own) in enumerate(zip(layout.places, new, strict=True)):
            items, had = pl.concat([items, own]), len(categories)
            ids, waiting, categories = categorise(given, waiting, own, Names("item", items), categories)
            if not number:
                updated, updates, categories = update_categories(given, known, newest, categories)
                if len(updated):
                    save(place / f"{CATALOGUE}-items.npy", updated)
                    save(place / f"{CATALOGUE}-updates.npy", updates)
                changed = len(updated)
            save(place / f"{CATALOGUE}.npy", ids)
            frame = categories.since(had).to_frame("name")
            whole(place / "categories.parquet", lambda path, frame=frame: frame.write_parquet(path))  # type: ignore[misc]
        if waiting is not None:
            whole(layout.index / "catalogue.parquet", lambda path: waiting.write_parquet(path))
        return {"categories": len(categories), "updates": changed}

    def _tails(self) -> None:
        """Move the tails of all users to the end of the last part."""
        tails = self.layout.old_tails()
        for part in range(len(self.layout.places)):
            users, moved = (np.load(self.layout.stage / f"{name}-{part}.npy") for name in ("users", "tails"))
            tails[users] = moved
        save(self.layout.index / "tails.npy", tails)
