"""The command line: configurations that overlay each other, errors in one message, help."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest
import yaml
from end_to_end.program import Asmg, movies, ratings
from slowness import slow_but

from asmg_pl.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"


def test_a_printed_configuration_prints_itself(asmg: Asmg, stream: Path, tmp_path: Path) -> None:
    given = ("--config", stream / "config.yaml", "--data.root", stream, "--model.init_args.window", 4)
    printed = asmg("fit", *given, "--print_config")
    assert printed.code == 0
    (tmp_path / "printed.yaml").write_text(printed.out)
    assert yaml.safe_load(printed.out)["model"]["init_args"]["window"] == 4
    assert asmg("fit", "--config", tmp_path / "printed.yaml", "--print_config").out == printed.out


def test_later_configurations_override_earlier_ones(asmg: Asmg, stream: Path, tmp_path: Path) -> None:
    (tmp_path / "over.yaml").write_text("data:\n  batch_size: 7\nmodel:\n  init_args:\n    weights: exp\n")
    printed = asmg(
        "fit",
        "--config",
        stream / "config.yaml",
        "--config",
        tmp_path / "over.yaml",
        "--loop.until",
        9,
        "--print_config",
    )
    found = yaml.safe_load(printed.out)
    assert found["data"]["batch_size"] == 7
    assert found["data"]["history_size"] == 5
    assert found["model"]["init_args"]["weights"] == "exp"
    assert found["model"]["init_args"]["window"] == 2
    assert found["loop"]["until"] == 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data.batch_sise", 5], ["batch_sise"]),
        (["--data.batch_size", "many"], ["batch_size", "many"]),
        (["--data.batch_size", 0], ["data.batch_size must be at least 1"]),
        (["--data.batch_size", -5], ["data.batch_size must be at least 1, got -5"]),
        (["--data.root", "null"], ["MovieLens reads files", "--data.root"]),
        (["--config", "/no/such.yaml"], ["/no/such.yaml"]),
        (["--data.source", "asmg_pl.data.sources.Nowhere"], ["source", "asmg_pl.data.sources.Nowhere"]),
        (["--trainer.max_steps", 100], ["trainer.max_steps must be -1", "--loop.until"]),
        (["--trainer.overfit_batches", 1], ["trainer.overfit_batches must be 0.0"]),
        (["--trainer.precision", "bf16-true"], ["trainer.precision must be one of 32-true, bf16-mixed"]),
        (["--trainer.reload_dataloaders_every_n_epochs", 0], ["each phase reads other rows"]),
        (["--model", "NoSuchUpdater"], ["model", "NoSuchUpdater"]),
        (["--model.init_args.windows", 4], ["windows"]),
        (["--model.init_args.window", 0], ["model.window must be at least 1"]),
        (["--model.init_args.learning_rate", -1], ["model.learning_rate must be positive"]),
        (["--model.init_args.generator", "NoSuchGenerator"], ["generator", "NoSuchGenerator"]),
        (["--model.init_args.generator.init_args.hidden_size", 0], ["hidden_size must be at least 1"]),
        (["--model.init_args.generator.init_args.cell", "NoSuchCells"], ["cell", "NoSuchCells"]),
        (
            ["--model.init_args.generator", "asmg_pl.generators.LinearGenerator", "--model.init_args.window", "null"],
            ["LinearGenerator", "set model.window to a number"],
        ),
        (["--data.root", "/no/such/folder"], ["/no/such/folder"]),
        (["--data.periods.init_args.count", 5000], ["2600 rows cannot be cut into 5000 periods"]),
        (["--model.init_args.pretrain_periods", 13], ["13 periods", "model.pretrain_periods"]),
        (["--loop.until", 3], ["loop.until is 3", "4 periods"]),
        (["--checkpoint.keep", 0], ["checkpoint.keep"]),
        (["--trainer.max_epochs", 3], ["trainer.max_epochs must be -1"]),
        (["--trainer.limit_train_batches", 0.5], ["trainer.limit_train_batches must be 1.0"]),
        (["--trainer.fast_dev_run", "true"], ["trainer.fast_dev_run must be False", "--loop.until"]),
        (["--trainer.accumulate_grad_batches", 2], ["accumulate_grad_batches"]),
        (["--seed_everything", -3], ["seed_everything must be from 0"]),
        (["--data.batchsize", 5], ["did you mean --data.batch_size?"]),
        (["--modle", "ASMG"], ["did you mean --model?"]),
        (["--model", "ASGM"], ["there is no class ASGM", "Did you mean ASMG?", "IncrementalUpdate"]),
        (["--config", "demoo"], ["there is no file demoo", "did you mean configs/demo.yaml?"]),
        (["--trainer.strategy", "dpp"], ["trainer.strategy cannot be dpp: did you mean ddp?"]),
        (["--trainer.strategy", "asmg_pl.distributed.Nothing"], ["trainer.strategy", "has no attribute 'Nothing'"]),
        (["--trainer.strategy", "ddp_spawn", "--trainer.devices", 2], ["trainer.strategy cannot be ddp_spawn", "ddp"]),
        (["--trainer.accelerator", "gpus"], ["did you mean gpu?"]),
        (["--trainer.devices", "many"], ["the trainer cannot be made", "devices"]),
        (
            ["--trainer.enable_checkpointing", "false"],
            ["trainer.enable_checkpointing cannot be false", "checkpoint.keep"],
        ),
        (["--trainer.barebones", "true"], ["trainer.barebones cannot be true", "--progress.enable false"]),
        (["--trainer.val_check_interval", 5], ["trainer.val_check_interval must be 1.0", "no validation"]),
        (["--trainer.max_time", "never"], ["never", "DD:HH:MM:SS"]),
        (["--trainer.logger", "CometLogger"], ["comet", "pip install"]),
        (["--trainer.logger", "WandbLogger", "--trainer.logger.project", "a/b"], ["Invalid project name 'a/b'"]),
        (["--trainer.callbacks", "LearningRateMonitor"], ["LearningRateMonitor", "no logger"]),
        *(
            (["--trainer.callbacks", name], [f"trainer.callbacks has {name}, which a walk cannot have: "])
            for name in ("ModelCheckpoint", "TQDMProgressBar", "RichProgressBar", "BackboneFinetuning", "PeriodReport")
        ),
        (
            ["--trainer.callbacks", "EarlyStopping", "--trainer.callbacks.monitor", "x"],
            ["EarlyStopping", "--loop.until"],
        ),
        (["--trainer.callbacks", "Timer"], ["Timer", "--trainer.max_time"]),
        (["--trainer.callbacks", "BatchSizeFinder"], ["BatchSizeFinder", "asmg tune"]),
        (["--wandb.project", "team/fresh"], ["--wandb.entity team --wandb.project fresh"]),
        (["--wandb.project", ""], ["wandb.project must have 1 to 128 characters"]),
        (["--wandb.project", "a?b"], ["none of / \\ # ? % :"]),
        (["--wandb.project", "x", "--wandb.entity", "a/b"], ["wandb.entity must have 1 to 128 characters"]),
        (["--wandb.project", "x", "--wandb.tags", "[a, a]"], ["wandb.tags has 'a' twice"]),
        (["--wandb.project", "x", "--wandb.tags", '["a,b"]'], ["wandb.tags", "no comma, got 'a,b'"]),
        (["--wandb.project", "x", "--wandb.tags", "['']"], ["wandb.tags must have 1 to 64 characters"]),
        (["--trainer.default_root_dir", "/proc/nowhere"], ["/proc/nowhere"]),
    ],
)
def test_an_error_is_one_message_that_names_the_setting(
    fit: Asmg, tmp_path: Path, arguments: list[object], words: list[str]
) -> None:
    finished = fit(tmp_path / "run", *arguments)
    assert finished.code == 2, finished.out
    assert "Traceback" not in finished.err
    assert len(finished.err.splitlines()) < 15
    for word in words:
        assert word in finished.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [("", ["config"]), ("model: [1,\n", ["line 2"]), ("data:\n  batch_sise: 3\n", ["batch_sise"])],
    ids=["empty", "no YAML", "wrong key"],
)
def test_a_configuration_that_cannot_be_read_is_refused(fit: Asmg, tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    finished = fit(tmp_path / "run", "--config", tmp_path / "wrong.yaml")
    assert finished.code == 2
    assert len(finished.err.splitlines()) < 15
    for word in words:
        assert word in finished.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], ["give one of these commands"]), (["fit"], ["data.source", "model"]), (["fly"], ["fly"])],
)
def test_a_call_that_lacks_something_says_what(asmg: Asmg, arguments: list[str], words: list[str]) -> None:
    finished = asmg(*arguments)
    assert finished.code == 2
    assert len(finished.err.splitlines()) < 15
    for word in words:
        assert word in finished.err


def test_a_malformed_row_is_named_by_file_and_line(fit: Asmg, stream: Path, tmp_path: Path) -> None:
    lines = (stream / "ratings.csv").read_text().splitlines()
    lines[41] = lines[41].replace(",", ",x", 1)
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    movies().write_csv(tmp_path / "movies.csv")
    finished = fit(tmp_path / "run", root=tmp_path)
    assert finished.code == 2
    assert "ratings.csv:42: item 'x" in finished.err
    assert "Traceback" not in finished.err


def test_a_missing_file_is_named(fit: Asmg, tmp_path: Path) -> None:
    ratings().write_csv(tmp_path / "ratings.csv")
    finished = fit(tmp_path / "run", root=tmp_path)
    assert finished.code == 2
    assert "movies.csv" in finished.err


def test_help_explains_the_options(asmg: Asmg) -> None:
    finished = asmg("fit", "--help")
    assert finished.code == 0
    for option, explanation in [
        ("--data.source", "how the raw data become interactions"),
        ("--data.batch_size", "rows of a mini-batch in training"),
        ("--loop.until", "the last period to walk"),
        ("--checkpoint.keep", "how many of the newest checkpoints are kept"),
    ]:
        assert option in finished.out
        assert explanation in " ".join(finished.out.split())


@pytest.mark.parametrize("command", ["fit", "validate", "test"])
def test_help_shows_our_options_first_and_is_no_wider_than_a_terminal(
    asmg: Asmg, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = asmg(command, "--help").out.splitlines()
    groups = [line.partition(":")[0] for line in lines if line and line[0] != " " and line.endswith(":")]
    own = ["options", "model", "data", "loop", "checkpoint", "progress", "export", "wandb", "heartbeat"]
    assert groups == [*own, "Linked arguments", "trainer"]
    assert "--ckpt_path" in "".join(lines[: lines.index(next(line for line in lines if line.startswith("model:")))])
    assert max(map(len, lines)) <= 80


def test_help_explains_an_updaters_options(asmg: Asmg) -> None:
    text = " ".join(asmg("fit", "--model.help", "ASMG").out.split())
    for explanation in (
        "class of the meta generator",
        "snapshots that the generator sees",
        "best AUC on the next period",
    ):
        assert explanation in text


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_can_be_read(asmg: Asmg, path: Path) -> None:
    needs_source = "source:" not in path.read_text()
    source = ["--data.source", "asmg_pl.data.sources.DriftingStream"] if needs_source else []
    printed = asmg("fit", "--config", path, *source, "--print_config")
    assert printed.code == 0, printed.err
    found = yaml.safe_load(printed.out)
    assert found["model"]["class_path"] in ("asmg_pl.updaters.ASMG", "asmg_pl.updaters.IncrementalUpdate")
    assert path.read_text().startswith("# ")


def test_lists_can_be_laid_over_any_configuration(asmg: Asmg) -> None:
    printed = asmg("fit", "--config", "demo", "--config", "metrics/top_k", "--print_config")
    assert printed.code == 0, printed.err
    assert yaml.safe_load(printed.out)["model"]["init_args"]["top_k"]["init_args"]["at"] == [10, 20]


def test_an_option_that_a_later_file_overrides_is_told(asmg: Asmg, stream: Path) -> None:
    config = stream / "config.yaml"
    printed = asmg("fit", "--data.batch_size", 3, "--data.history_size", 5, "--config", config, "--print_config")
    assert yaml.safe_load(printed.out)["data"]["batch_size"] == 64
    assert f"--data.batch_size 3 is overridden by {config}, which has 64: give options after the files" in printed.err
    assert "history_size" not in printed.err, "the same value is overridden by nothing"


def test_predict_is_no_command(asmg: Asmg) -> None:
    finished = asmg("predict")
    assert finished.code == 2
    assert finished.err.startswith("asmg: there is no command predict: asmg test scores a checkpoint's model")
    assert "predict" not in asmg("--help").out
    assert "prepare" in asmg("--help").out.split()


@pytest.mark.parametrize(
    "name",
    slow_but(
        ["sharded", "DDPStrategy"],
        ["sharded", "ShardedTables", "asmg_pl.distributed.ShardedTables", "ddp", "DDPStrategy", "auto"],
    ),
)
def test_a_strategy_is_given_by_its_name_or_its_class(fit: Asmg, tmp_path: Path, name: str) -> None:
    options = ("--model.init_args.pretrain_epochs", 1, "--loop.until", 5, "--trainer.accelerator", "cpu")
    finished = fit(tmp_path / "run", "--trainer.strategy", name, *options)
    assert finished.code == 0, finished.err
    (tmp_path / "strategy.yaml").write_text(f"trainer:\n  strategy: {name}\n")
    again = fit(tmp_path / "run", "--config", tmp_path / "strategy.yaml", *options, "--ckpt_path", "last")
    assert again.code == 0, again.err
    assert "nothing new" in again.out


@pytest.mark.parametrize("option", ["--progress.enable", "--trainer.enable_progress_bar"])
def test_the_bar_can_be_silenced(fit: Asmg, tmp_path: Path, option: str) -> None:
    finished = fit(tmp_path, option, "false", "--model.init_args.pretrain_epochs", 1, "--loop.until", 5)
    assert finished.code == 0, finished.err
    assert "period 4/5" not in finished.err


OWN = """
from asmg_pl.recommenders import MatrixFactorization
from asmg_pl.data.sources import MovieLens

class Mine(MatrixFactorization):
    pass

class InInit(MatrixFactorization):
    def __init__(self, sizes):
        super().__init__(sizes)
        open("/no/weights.bin")

class InScore(MatrixFactorization):
    def score(self, batch, lookups):
        open("/no/weights.bin")

class Source(MovieLens):
    def read(self, *given):
        open("/no/rows.csv")
"""


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--model.init_args.recommender", "of_mine.InInit"),
        ("--model.init_args.recommender", "of_mine.InScore"),
        ("--data.source", "of_mine.Source"),
    ],
)
def test_an_error_in_a_class_of_the_users_own_keeps_its_traceback(
    fit: Asmg, tmp_path: Path, option: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    with pytest.raises(Exception, match=r"/no/|validate") as raised:
        fit(tmp_path / "run", option, name)
    assert not isinstance(raised.value, UserError)
    assert 'open("/no/' in "".join(traceback.format_exception(raised.value))


def test_a_class_of_the_working_folder_is_found(fit: Asmg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    finished = fit(tmp_path / "run", "--model.init_args.recommender", "of_mine.Mine", "--print_config")
    assert finished.code == 0, finished.err
