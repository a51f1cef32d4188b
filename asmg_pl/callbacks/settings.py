"""Which settings a resumed walk must share with the one that it goes on from, and which are free.

Settings of model and data are shared, but for those of ``FREE``: what is not known to change no number is taken to
change some. Of the trainer's, those of ``SHARED_TRAINER`` are shared, and those of ``FREE_TRAINER`` free; the others
have one value that a walk needs. What else there is (``loop``, ``checkpoint``, ``export``, ``wandb``, …) is free.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from asmg_pl.data.cutting.periods import EqualCounts

#: Settings that change no result beyond rounding, and the seed, which the data module compares itself.
FREE = {
    "data.root",
    "data.seed",
    "data.scoring_batch_size",
    "data.evaluate",
    "data.accumulate",
    "data.device_rows",
    "model.init_args.chunk_rows",
    "model.init_args.compile_generator",
    "model.init_args.lazy_tables",
    "model.init_args.pretrained_model",
}

#: Settings that say which periods are complete by now. They may change when a walk goes on: the cut of the stream
#: keeps the periods that were walked, and refuses rows that have come to them since.
COMPLETE = {f"data.periods.init_args.{name}" for name in ("complete_until", "include_last", "late")}

#: Options of the trainer that change numbers.
SHARED_TRAINER = {"precision", "sync_batchnorm"}

#: Those that change none, or only how they are rounded. Callbacks can change anything, which nobody can tell from here.
FREE_TRAINER = {
    *("accelerator", "strategy", "devices", "num_nodes", "plugins", "deterministic", "benchmark", "inference_mode"),
    *("logger", "callbacks", "profiler", "log_every_n_steps", "enable_checkpointing", "enable_progress_bar"),
    *("enable_model_summary", "enable_autolog_hparams", "model_registry", "default_root_dir", "detect_anomaly"),
    *("barebones", "max_time", "val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps"),
    *("limit_val_batches", "limit_test_batches", "limit_predict_batches"),
}

#: Arguments of a method that its pre-training reads; all methods pre-train alike.
PRETRAINING = {
    *("recommender", "objective", "learning_rate", "batch_size", "self_tuning", "row_wise", "gradient_clip"),
    *("table_learning_rate", "table_optimizer", "pretrain_periods", "pretrain_epochs", "pretrain_learning_rate"),
}

PACKAGE = "asmg_pl."

_PRECISIONS = {"None": "32-true", "32": "32-true", "bf16": "bf16-mixed"}


def settings_in(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's model and data bears on its results, the seed left out: plain values by path.

    Args:
        config: the whole configuration, nested, as in ``config.yaml``.
    """
    parts = {name: config[name] for name in ("model", "data") if name in config}
    data = parts.get("data")
    if isinstance(data, Mapping) and data.get("periods", ...) is None:
        parts["data"] = {**data, "periods": _default_periods()}
    return {key: value for key, value in _flat(parts) if key not in FREE}


def shared_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Those of :func:`settings_in`, and the trainer's that change numbers: what a resumed walk shares."""
    trainer = config.get("trainer", {})
    precision = trainer.get("precision")
    return settings_in(config) | {
        "trainer.precision": _PRECISIONS.get(str(precision), precision),
        "trainer.sync_batchnorm": bool(trainer.get("sync_batchnorm")),
    }


def pretraining_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Those of :func:`shared_settings` that pre-training reads.

    The rate of updates is among them only where pre-training has no rate of its own. A method of another package may
    read any of its arguments.
    """
    found = shared_settings(config)
    if not str(found.get("model.class_path")).startswith(PACKAGE):
        return found
    own = found.get("model.init_args.pretrain_learning_rate") is not None
    read = PRETRAINING - {"learning_rate"} if own else PRETRAINING

    def bears(key: str) -> bool:
        section, *names = key.split(".")
        return section != "model" or (names[0] == "init_args" and names[1] in read)

    return {key: value for key, value in found.items() if bears(key)} | {"model.class_path": PACKAGE}


def differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, how settings differ that are not free.

    An option that only one of the two has is a difference if the other has something else in its class's place. If it
    has the same class, one of the two versions of that class lacks the option, and its default is what the class did.

    Args:
        saved: the settings that a walk began with, see :func:`shared_settings`.
        now: those of this run.
    """
    found: dict[str, str] = {}
    for key in sorted(saved.keys() | now.keys()):
        if key in FREE | COMPLETE:
            continue
        if key in saved and key in now:
            if _canonical(saved[key]) != _canonical(now[key]):
                found[key] = f"{key} was {saved[key]} and is now {now[key]}"
        elif (place := _place(key, now if key in saved else saved)) is not None:
            found[place] = f"{place} was {_shown(place, saved)} and is now {_shown(place, now)}"
    return list(found.values())


def _place(key: str, other: Mapping[str, Any]) -> str | None:
    """Where settings that lack a key have something of another kind; ``None`` if they only lack the option."""
    parts = key.split(".")
    for length in range(1, len(parts)):
        place = ".".join(parts[:length])
        if place in other:  # a plain value, or nothing, where the key's settings have a class
            return place
    owner = ".".join(parts[:-1]).removesuffix(".init_args")
    return None if any(name.startswith(f"{owner}.") for name in other) else owner


def _shown(place: str, settings: Mapping[str, Any]) -> str:
    return str(settings.get(place, settings.get(f"{place}.class_path", "not set")))


def _canonical(value: Any) -> Any:
    """A class of this package is the same by whatever path it was imported."""
    if isinstance(value, str) and value.startswith(PACKAGE):
        return PACKAGE + value.rpartition(".")[2]
    return value


def _default_periods() -> dict[str, Any]:
    defaults = {p.name: p.default for p in inspect.signature(EqualCounts).parameters.values()}
    return {"class_path": "asmg_pl.data.EqualCounts", "init_args": defaults}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All plain values of a nested configuration by their path, in a form that a checkpoint can hold."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
