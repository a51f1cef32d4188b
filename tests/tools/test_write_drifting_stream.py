"""Writing a drifting stream to disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import write_drifting_stream

from asmg_pl.data.stream import open_stream


def test_a_stream_of_the_size_asked_for_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "drifting"
    given = [str(folder), "--rows", "500", "--users", "20", "--noise", "0.5"]
    monkeypatch.setattr("sys.argv", ["write_drifting_stream.py", *given])
    write_drifting_stream.main()
    assert f"{folder}: 500 rows" in capsys.readouterr().out
    assert len(open_stream(folder)) == 500
    assert open_stream(folder).sizes.users <= 20
    with pytest.raises(SystemExit):
        write_drifting_stream.main()
    assert f"{folder} exists" in capsys.readouterr().err
