"""Opens a serving package: its arrays are mapped into memory, and read when they are needed."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import PackageError
from asmg_pl.recommenders import Recommender
from asmg_pl.serving.arrays import map_array
from asmg_pl.serving.classes import Build, build_of, skeleton, take_over, with_fresh
from asmg_pl.serving.contents import Lists, in_rows, kinds
from asmg_pl.serving.head_features import WIDTH
from asmg_pl.serving.headed import Headed, HeadNumbers
from asmg_pl.serving.ids import Ids
from asmg_pl.serving.intact import check_intact
from asmg_pl.serving.manifest import FILE, MEND, Manifest


class Package:
    """A serving package whose arrays are mapped.

    Attributes:
        folder: where it is.
        manifest: what it is.

    Examples:
        See :class:`~asmg_pl.serving.contents.Contents`, which shows how a package is written and opened.

        >>> open_package("/nowhere")
        Traceback (most recent call last):
            ...
        asmg_pl.errors.PackageError: /nowhere is no serving package, it has no package.json: give the folder of one
    """

    def __init__(self, folder: Path, manifest: Manifest, build: Build) -> None:
        """Take an intact package; use :func:`open_package`, which checks it.

        Args:
            folder: where it is.
            manifest: what it is.
            build: its recommender's class with arguments, called with sizes.
        """
        self.folder = folder
        self.manifest = manifest
        self._build = build

    @property
    def name(self) -> str:
        """The name of the version: that of the folder."""
        return self.folder.resolve().name

    @property
    def sizes(self) -> Sizes:
        """How many users, items, categories and values of context features are known.

        The id after the known ones, ``sizes.users`` for example, stands for all that are not known. Tables and
        catalogue have a row for it.
        """
        return self.manifest.sizes

    def array(self, name: str) -> np.ndarray:
        """An array by its path without ending, such as ``"history/items"``, mapped.

        Raises:
            PackageError: if the package has no such array.
        """
        if f"{name}.npy" not in self.manifest.files:
            raise PackageError(f"{self.folder / FILE} names no file {name}.npy: {MEND}")
        return map_array(self.folder / f"{name}.npy")

    def ids(self, kind: str) -> Ids:
        """The ids and names of ``"user"``, ``"item"``, ``"category"``, ``"context-0"``, ``"list-0"`` and so on.

        Raises:
            PackageError: if the package has no ids of this kind, or other ones than the manifest says.
        """
        strings = f"ids/{kind}.ends.npy" in self.manifest.files
        found = Ids(lambda part: self.array(f"ids/{kind}.{part}"), strings, self.tenants.get(kind))
        if len(found) != kinds(self.sizes).get(kind):
            raise self._misfit(f"ids/{kind}", f"{len(found):,} ids")
        return found

    @cached_property
    def tenants(self) -> dict[str, np.ndarray]:
        """Those of ``"user"`` and ``"item"`` whose ids come and go: the ids that have a row, ascending, int32 [m].

        Tables have the rows of these ids alone, in this order, and one more, which all other ids share.

        Raises:
            PackageError: if an array does not fit the ids.
        """
        found = {}
        for kind in ("user", "item"):
            if f"ids/{kind}.tenants.npy" in self.manifest.files:
                found[kind] = ids = self.array(f"ids/{kind}.tenants")
                fits = ids.dtype == np.int32 and ids.ndim == 1 and bool((np.diff(ids) > 0).all())
                if not fits or (len(ids) and not 0 <= ids[0] <= ids[-1] < kinds(self.sizes)[kind]):
                    raise self._misfit(f"ids/{kind}.tenants", f"{ids.dtype} {list(ids.shape)}")
        return found

    def has_name(self, kind: str) -> np.ndarray:
        """Whether each id of a kind has a name, bool [n]: all of them, but where ids come and go, those with a row.

        Raises:
            PackageError: if an array does not fit the ids.
        """
        count = kinds(self.sizes)[kind]
        if kind not in self.tenants:
            return np.broadcast_to(np.True_, count)
        found = np.zeros(count, bool)
        found[self.tenants[kind]] = True
        return found

    def has_row(self, kind: str) -> np.ndarray:
        """Whether each id of a kind has a row of its own, bool [n]; see :class:`~asmg_pl.data.Lifetimes`.

        Raises:
            PackageError: if an array does not fit the ids.
        """
        found = self.has_name(kind)
        if f"ids/{kind}.shared.npy" not in self.manifest.files:
            return found
        shared = self.array(f"ids/{kind}.shared")  # of version 2, in which these ids have names, and copies of one row
        if shared.dtype != bool or shared.shape != found.shape:
            raise self._misfit(f"ids/{kind}.shared", f"{shared.dtype} {list(shared.shape)}")
        return ~shared

    @cached_property
    def history(self) -> Lists:
        """Each user's latest items, the latest first."""
        return self._lists("history")

    @cached_property
    def seen(self) -> Lists:
        """The items that each user has, distinct and in ascending order."""
        return self._lists("seen")

    @cached_property
    def catalogue(self) -> Tensor | None:
        """Category ids of each item, int32 [items + 1, C] padded with -1; ``None`` without categories.

        The last row is that of an unknown item, which has none.
        """
        if not self.sizes.categories:
            return None
        found = self.array("catalogue")
        if found.dtype != np.int32 or found.ndim != 2 or len(found) != self.sizes.items + 1:
            raise self._misfit("catalogue", f"{found.dtype} {list(found.shape)}")
        return torch.from_numpy(found)

    @cached_property
    def popularity(self) -> np.ndarray:
        """How popular each item is, float32 [items]: the decayed count of its positives."""
        found = self.array("popularity")
        if found.dtype != np.float32 or found.shape != (self.sizes.items,):
            raise self._misfit("popularity", f"{found.dtype} {list(found.shape)}")
        return found

    def features(self, side: str, kind: str) -> np.ndarray:
        """The latest values of the features of users or of items, see :class:`~asmg_pl.serving.contents.Contents`.

        The last row is that of an unknown user or item.

        Args:
            side: ``"user"`` or ``"item"``.
            kind: ``"context"``, ``"numbers"`` or ``"lists"``.

        Raises:
            PackageError: if the array does not fit the ids.
        """
        sizes, found = self.sizes, self.array(f"features/{side}/{kind}")
        features = {"context": sizes.context_features, "numbers": sizes.numbers, "lists": sizes.lists}[kind]
        shape = (kinds(sizes)[side] + 1, sum(feature.side == side for feature in features))
        fits = found.ndim == (3 if kind == "lists" else 2) and found.shape[:2] == shape
        if found.dtype != (np.float32 if kind == "numbers" else np.int32) or not fits:
            raise self._misfit(f"features/{side}/{kind}", f"{found.dtype} {list(found.shape)}")
        return found

    def as_known(self, batch: Batch) -> Batch:
        """A mini-batch of the package's stream, as the package knows it.

        Ids are numbered by first appearance, so the known ones are the lowest. All others become the unknown one, see
        :attr:`sizes`. Categories are those of the package.
        """
        sizes, context, lists = self.sizes, batch.context, batch.lists
        if lists is not None:  # of a list, unknown values are left out
            counts = torch.tensor([feature.values for feature in sizes.lists])
            lists = lists.masked_fill(lists >= counts[:, None], -1)
        return batch._replace(
            user=batch.user.clamp(max=sizes.users),
            item=batch.item.clamp(max=sizes.items),
            history=batch.history.clamp(max=sizes.items),
            categories=self._categories,
            context=None if context is None else torch.minimum(context, torch.tensor(sizes.context)),
            lists=lists,
        )

    @cached_property
    def _categories(self) -> Tensor | None:
        return None if self.catalogue is None else self.catalogue.long()

    def model(self, name: str) -> Recommender:
        """One of the models, its tables mapped, for ids up to that of the unknown, see :attr:`sizes`.

        Raises:
            PackageError: if the arrays do not fit the recommender's class.
        """
        prefix = f"parameters/{name}/"
        names = [
            path.removeprefix(prefix).removesuffix(".npy") for path in self.manifest.files if path.startswith(prefix)
        ]
        state = {each: torch.from_numpy(self.array(prefix + each)) for each in names}
        try:
            found = take_over(skeleton(self._build, with_fresh(in_rows(self.sizes, self.tenants))), state)
        except PackageError as error:
            raise PackageError(f"{self.folder / FILE}: {error}") from error
        found.row_of = {table: rows for kind, rows in self._row_of.items() for table in found.tables_of(kind)}
        return found

    @cached_property
    def _row_of(self) -> dict[str, Tensor]:
        """The row of each id that comes and goes, and of an unknown one, int32 [n + 1], by kind."""
        found = {}
        for kind, ids in self.tenants.items():
            found[kind] = rows = torch.full((kinds(self.sizes)[kind] + 1,), len(ids), dtype=torch.int32)
            rows[torch.from_numpy(ids).long()] = torch.arange(len(ids), dtype=torch.int32)
        return found

    def served(self) -> nn.Module:
        """What answers requests: called with a :class:`~asmg_pl.data.Batch`, it gives logits [B].

        Raises:
            PackageError: if the arrays do not fit the recommender's class, or are no head's.
        """
        models = {name: self.model(name) for name in self.manifest.models}
        head = self.manifest.head
        if head is None:
            return models[self.manifest.models[0]]
        return Headed(models, HeadNumbers(**self._head(), share=head["share"], period=head["period"])).eval()

    def _head(self) -> dict[str, Tensor]:
        """The arrays of the head, float32."""
        found = {name: self.array(f"head/{name}") for name in HeadNumbers._fields[:4]}
        features = len(found["coefficients"]) if found["coefficients"].ndim == 1 else -1
        shapes = {"coefficients": (features,), "bounds": (2, features)}
        for name, values in found.items():
            fits = values.shape == shapes[name] if name in shapes else values.ndim == 2 and values.shape[1] == WIDTH
            if values.dtype != np.float32 or not fits or features not in (0, 1 + len(self.manifest.models) + 2 * WIDTH):
                raise self._misfit(f"head/{name}", f"{values.dtype} {list(values.shape)}")
        return {name: torch.from_numpy(values) for name, values in found.items()}

    def _lists(self, name: str) -> Lists:
        found = Lists(self.array(f"{name}/items"), self.array(f"{name}/offsets"))
        wrong = found.items.dtype != np.int32 or found.offsets.dtype != np.int64
        if wrong or found.items.ndim != 1 or found.offsets.shape != (self.sizes.users + 1,):
            raise self._misfit(name, f"{found.items.dtype} items and {len(found.offsets):,} offsets")
        return found

    def _misfit(self, name: str, found: str) -> PackageError:
        return PackageError(f"{self.folder / name} holds {found}, which does not fit {FILE}: {MEND}")


def open_package(folder: str | Path, allow: Collection[str] = (), verify: bool = False) -> Package:
    """Open a serving package. No code runs but that of the recommender's own class.

    Args:
        folder: of the package.
        allow: paths of recommender classes that may be imported, beside those of :mod:`asmg_pl.recommenders`; one that
            ends with a dot allows all classes whose path begins with it.
        verify: whether every file is read in full. By default a file is compared with its digest unless it was
            compared before on this machine, and nobody has changed it since.

    Raises:
        PackageError: if there is no package, a file of it is missing, cut off, damaged or swapped, its format is newer,
            or its recommender's class is not allowed.
    """
    folder = Path(folder)
    manifest = Manifest.read(folder)
    build = build_of(manifest.class_path, manifest.init_args, allow)
    check_intact(folder, manifest, verify)
    return Package(folder, manifest, build)
