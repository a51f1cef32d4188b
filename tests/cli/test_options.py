"""Misspelt options and classes."""

from __future__ import annotations

import pytest

from asmg_pl.cli.options import explained, near_options, refuse_word
from asmg_pl.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("modle", ["model"]),
        ("configs", ["config"]),
        ("batch_size", ["data.batch_size"]),
        ("data.batchsize", ["data.batch_size"]),
        ("loop.untill", ["loop.until"]),
        ("checkpoint.keeep", ["checkpoint.keep"]),
        ("trainer.default_rot_dir", ["trainer.default_root_dir"]),
        ("dta.batch_size", ["data.batch_size"]),
        ("model.init_args.windw", ["model.init_args.window"]),
        ("data.source.init_args.user", ["data.source.init_args.users"]),
        ("qqqqqqqq", []),
    ],
)
def test_the_option_that_is_spelt_most_alike_is_named(given: str, meant: list[str]) -> None:
    assert near_options(given) == meant


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("unrecognized arguments: --data.batchsize 3", ["did you mean --data.batch_size?"]),
        ("Option 'windows' is not accepted", ["did you mean window?"]),
        ("Option 'window' is not accepted", ["it must come after the class, or the --config, that has it"]),
        ("Subcommand 'fit' does not accept option 'data.batchsize'", ["did you mean data.batch_size?"]),
        ('Parser key "model":\n  Given value: ASGM', ["no class ASGM", "Did you mean ASMG?", "IncrementalUpdate"]),
        ('Parser key "recommender":\n  import path string: DeepFn', ["Did you mean DeepFM?", "TwoTower"]),
        ("No module named 'x'", ["No module named 'x'"]),
        ("Option 'lerning_rate' is not accepted", ["did you mean learning_rate?"]),
        ("Subcommand 'fit' does not accept option 'modl'", ["did you mean model?"]),
        (
            "ambiguous option: --data.period could match --data.periods.help, --data.periods",
            ["there is no option --data.period; did you mean --data.periods?"],
        ),
    ],
)
def test_a_message_says_what_was_meant(message: str, words: list[str]) -> None:
    found = explained(message)
    assert all(word in found for word in words), found


@pytest.mark.parametrize(("given", "meant"), [("dpp", "did you mean ddp"), ("zzz", "there are ddp, sharded")])
def test_a_word_that_the_trainer_does_not_know_is_refused(given: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"trainer\.strategy cannot be {given}: {meant}"):
        refuse_word("strategy", given, ["sharded", "ddp"])
    refuse_word("strategy", "ShardedTables", ["ddp"])
    refuse_word("strategy", "mine.Strategy", ["ddp"])
