"""``asmg export RUN --formats``: a package and its formats, from a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from end_to_end.program import Asmg

from asmg_pl.serving import Store, open_package


@pytest.mark.slow
def test_a_run_is_exported_with_formats_and_one_that_cannot_be_written_does_not_serve(
    walk: tuple[Path, object], tmp_path: Path, asmg: Asmg
) -> None:
    store = Store(tmp_path / "store")
    refused = asmg("export", walk[0], "--out", store.folder, "--formats", "vectors")
    assert refused.code == 2
    assert "does not score by a dot product" in refused.err
    assert store.current() is None
    assert not (store.folder / "formats").exists()
    done = asmg("export", walk[0], "--out", store.folder, "--formats", "pt2")
    assert done.code == 0, done.err
    first, last = done.out.splitlines()
    name = store.current()
    assert name is not None
    assert first.startswith(f"{store.folder / 'formats' / name} has model.pt2: probabilities differ")
    assert last == f"{store.folder / name} serves now"
    assert (store.folder / "formats" / name / "ids" / "user.parquet").is_file()
    assert open_package(store.path()).name == name
