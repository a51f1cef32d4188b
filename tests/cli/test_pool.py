"""The options that say where walks run."""

from __future__ import annotations

import sys

import pytest
from ports import free_port

from asmg_pl.cli.commands import compare, seeds
from asmg_pl.cli.pool import pool_of
from asmg_pl.errors import ConfigError
from asmg_pl.experiments.processes import LocalPool


def test_walks_run_on_this_machine_unless_a_cluster_is_named() -> None:
    with pool_of(seeds.parser().parse_args(["runs", "--jobs", "2"])) as pool:
        assert isinstance(pool, LocalPool)


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    given = seeds.parser().parse_args(["runs", "--cluster", "auto"])
    with pytest.raises(ConfigError) as refused, pool_of(given):
        pass
    assert str(refused.value) == "--cluster needs the package ray: pip install 'asmg_pl[ray]'"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--cluster ray://127.0.0.1:10001", "ray://127.0.0.1:10001 is neither HOST:PORT nor auto"),
        ("--cluster 127.0.0.1:{port}", "no cluster answers there (Connection refused)"),
        ("--cluster auto --jobs 2", "--jobs is about this machine"),
        ("--gpus 1 --cpus 2", "--cpus is about the nodes of a cluster: name it with --cluster"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: str, message: str) -> None:
    pytest.importorskip("ray")
    given = seeds.parser().parse_args(["runs", *options.format(port=free_port()).split()])
    with pytest.raises(ConfigError) as refused, pool_of(given):
        pass
    assert message in str(refused.value)


@pytest.mark.parametrize("text", ["0", "-1", "4G", "nan", "inf", ""])
def test_an_amount_is_a_number_above_0(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        seeds.parser().parse_args(["runs", "--cluster", "auto", f"--memory={text}"])
    assert f"{text} is no number above 0" in capsys.readouterr().err


def test_runs_that_exist_need_no_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        compare.run(["runs", "--cluster", "auto"])
    assert "to walk, name the methods with --methods" in capsys.readouterr().err
