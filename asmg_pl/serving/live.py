"""Follows a store: the scorer of the version that serves, swapped between two requests.

    current ─▶ after-period-000031      live.scorer answers
    current ─▶ after-period-000032      reload(): opened, checked and prepared beside it; then live.scorer is it

A request takes ``live.scorer`` once, and keeps it until it is answered. So no answer is a mixture of two versions.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from asmg_pl.serving.package import open_package
from asmg_pl.serving.remote import store_at
from asmg_pl.serving.scorer import Scorer
from asmg_pl.serving.store import Store

log = logging.getLogger(__name__)

#: Seconds for which the end waits for a look at the store, which takes longer where a store does not answer.
_LONGEST_LOOK = 5.0


class Live:
    """The scorer of a store's version that serves.

    Attributes:
        scorer: answers requests. Take it once for each request.
        refused: why the version that ``current`` names does not serve; ``None`` if it does.
        swaps: how many versions have taken over.
        refusals: how often a version could not take over.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> from asmg_pl.serving import Store, write
        >>> from asmg_pl.serving.drawn import drawn_contents
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     for period in (1, 2):
        ...         name = store.add(period, lambda path: write(drawn_contents(MatrixFactorization), path))
        ...         store.publish(name)
        ...         live = Live(folder) if period == 1 else live
        ...     live.scorer.version, live.reload(), live.scorer.version, live.reload(), live.swaps
        ('after-period-000001', True, 'after-period-000002', False, 1)
    """

    def __init__(self, store: str | Path | Store, allow: Collection[str] = ()) -> None:
        """Load the version that serves.

        Args:
            store: the store, its folder or that of a run, or the address of one.
            allow: paths of recommender classes that may be imported, see :func:`~asmg_pl.serving.scorer.load`.

        Raises:
            PackageError: if no version serves, or the one that does is damaged.
        """
        self.store = store if isinstance(store, Store) else store_at(store)
        self.refused: str | None = None
        self.swaps = self.refusals = 0
        self._allow = allow
        self._reloading, self._closing = Lock(), Event()
        self._watcher: Thread | None = None
        self.scorer = self._load(self.store.path().name)

    def reload(self) -> bool:
        """Load the version that the store's ``current`` names, unless it is there already.

        A version that cannot be used is refused: a warning says why, and the old version goes on serving.

        Returns:
            Whether another version serves from now on.
        """
        with self._reloading:
            try:
                while (name := self.store.path().name) != self.scorer.version:
                    try:
                        scorer = self._load(name)
                    except Exception:
                        if self.store.current() == name:
                            raise
                        continue  # meanwhile another one was published, and this one perhaps removed
                    log.info("%s serves in place of %s", name, self.scorer.version)
                    # Before the swap, so that who sees the new version sees what belongs to it.
                    self.refused, self.swaps = None, self.swaps + 1
                    self.scorer = scorer
                    return True
            except Exception as error:  # whatever is wrong with it, requests are answered
                if str(error) != self.refused:
                    log.warning("%s goes on serving: %s", self.scorer.version, error)
                self.refusals += 1
                self.refused = str(error)
            else:
                self.refused = None
            return False

    def watch(self, seconds: float = 1.0) -> None:
        """Reload in the background whenever the store's ``current`` names another version, until :meth:`close`.

        Args:
            seconds: between two looks at the store.
        """
        if self._watcher is None:
            self._watcher = Thread(target=self._watch, args=(seconds,), name="asmg-live", daemon=True)
            self._watcher.start()

    def close(self) -> None:
        """Stop watching. The scorer can still be used."""
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join(_LONGEST_LOOK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _load(self, name: str) -> Scorer:
        scorer = Scorer(open_package(self.store.path(name), self._allow))
        scorer.prepare()  # so that no request waits for it
        return scorer

    def _watch(self, seconds: float) -> None:
        looked_at: object = None
        while not self._closing.wait(seconds):
            try:
                pointer = self.store.pointer()
            except Exception:  # the reason is that of the reload
                pointer = None
            if pointer != looked_at or self.refused is None:
                looked_at = pointer
                self.reload()
