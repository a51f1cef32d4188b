"""Ranks the items of a period's cases with every scored model, before anything is trained on the period.

    positive rows ─▶ cases ─▶ chunks ─▶ tallies of each model and baseline ─▶ means, of all cases and of groups

Of several processes each takes some of the chunks. A chunk has the same rows whoever takes it, so its scores are the
same bits. Tables that are shared out need all processes for each chunk: then each of them ranks all.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from asmg_pl.data.cases import Cases, cases_of
from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.data.following import Following
from asmg_pl.data.latest import Latest
from asmg_pl.data.so_far import SoFar
from asmg_pl.distributed.processes import summed
from asmg_pl.errors import ConfigError
from asmg_pl.metrics.placed import Placed, means
from asmg_pl.metrics.ranking import whole_numbers
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.metrics.top_k import BASELINES, OF_LISTS, SAMPLED, TopK
from asmg_pl.recommenders import Recommender
from asmg_pl.serving.headed import Headed
from asmg_pl.serving.sided import Known, SidedModel, sided
from asmg_pl.serving.values import StoredValues, Values
from asmg_pl.updaters.top_k.baselines import LastItem, Popularity
from asmg_pl.updaters.top_k.lists import CASES, Chunk, tallies


class Ranked(NamedTuple):
    """What the ranking of a period has found.

    Attributes:
        scores: by model, its metrics by name; ``nan`` if a score was not finite.
        beside: by baseline its metrics, and as ``"cases"`` the counts.
        broken: by model, the number of cases with a score that was not finite.
    """

    scores: dict[str, dict[str, float]]
    beside: dict[str, dict[str, float]]
    broken: dict[str, int]

    def added_to(self, result: PeriodResult) -> PeriodResult:
        """A period's result with these metrics. A model that diverges in its lists alone has diverged too."""
        scores = {model: each | self.scores.get(model, {}) for model, each in result.scores.items()}
        for model in result.diverged:
            scores[model] = dict.fromkeys(scores[model], math.nan)
        broken = {model: count for model, count in self.broken.items() if model not in result.diverged}
        return replace(result, scores=scores, ranking=self.beside, diverged=result.diverged | broken)


class PeriodRanking:
    """Ranks the cases of periods along a stream."""

    def __init__(self, settings: TopK, data: PeriodDataModule) -> None:
        """Read nothing yet.

        Args:
            settings: which cases and candidates, and how long lists are.
            data: the stream.
        """
        self.settings, self.data = settings, data
        self._facts = SoFar(data.log, history_size=0), Following(data.log)

    @torch.no_grad()
    def rank(
        self, period: int, models: Mapping[str, nn.Module], device: torch.device, share: tuple[int, int]
    ) -> Ranked:
        """Rank the cases of a period.

        Args:
            period: its number.
            models: by name, as they are before anything is trained on the period.
            device: where to compute.
            share: the number of this process, and that of all processes that take chunks of their own.
        """
        so_far, following = self._read(period)
        drawn = self.settings.rows, self.data.seed, self.settings.exclude_seen, self.settings.appeared
        cases = cases_of(self.data.log, self.data.rows_of(period), so_far, *drawn)
        users, items = self.data.known_before(period)
        rank, ranks = share
        own = torch.arange(len(cases.rows)).split(CASES)[rank::ranks] if len(cases.rows) else ()
        batches = self.data.choice(cases.rows[torch.cat(own)], period, CASES) if own else ()
        mine = [Chunk.of(cases, places, batch) for places, batch in zip(own, batches, strict=True)]
        popular = _popularity(so_far, int(cases.candidates.max()) if len(cases.rows) else items)
        share_of = (popular / popular.sum().clamp(min=1)).to(device)
        catalogue = mine[0].batch.categories if mine else None
        sides: dict[str, SidedModel] = {"popularity": Popularity(share_of), "last_item": LastItem(following, share_of)}
        groups = {
            **{"known_users": cases.user < users, "new_users": cases.user >= users},
            **{"known_items": cases.item < items, "new_items": cases.item >= items},
        }
        information = -torch.log2((popular + 1) / (popular.sum() + len(popular)))
        found: dict[str, tuple[dict[str, float], int]] = {}
        known = Known(self.data.sizes, catalogue, self._of_items(period, so_far, len(popular)))
        sides |= {name: sided(model.to(device), known) for name, model in models.items()}
        for name, model in sides.items():
            same = next((other for other in found if name in models and models.get(other) is models[name]), None)
            if same is None:
                found[name] = self._metrics(model, cases, mine, groups, information, device, ranks > 1)
            else:
                found[name] = found[same]
        return Ranked(
            scores={name: found[name][0] for name in models},
            beside={"cases": _counts(cases)} | {name: found[name][0] for name in BASELINES},
            broken={name: found[name][1] for name in models if found[name][1]},
        )

    def check(self, models: Mapping[str, nn.Module]) -> None:
        """Check, before any work is done, that the items of the stream can be ranked by models.

        Raises:
            ConfigError: naming a model that cannot.
        """
        for name, model in models.items():
            if not isinstance(model, (Recommender, Headed)):
                raise ConfigError(
                    f"model.top_k: {name!r} is a {type(model).__name__}, and only recommenders can rank items: leave "
                    "model.top_k out"
                )

    def _read(self, period: int) -> tuple[SoFar, Following]:
        """The facts of the rows before a period."""
        boundaries, log = self.data.boundaries, self.data.log
        if self._facts[0].rows > boundaries[period - 1]:  # an evaluation may go back
            self._facts = SoFar(log, history_size=0), Following(log)
        so_far, following = self._facts
        for end in boundaries[bisect_right(boundaries, so_far.rows) : period]:
            if end > so_far.rows:
                so_far.read(end)
                following.read(end)
        return self._facts

    def _of_items(self, period: int, so_far: SoFar, items: int) -> Callable[[Tensor], Values]:
        """Gives the features of the first ``items`` items: those of an item's latest row before the period.

        An item that appears within the period has those of its first row, and is a candidate of later cases alone.
        """
        log, known = self.data.log, self.data.known_before(period)[1]
        found = so_far.features(0, items)
        if items > known:
            ids = log.between(self.data.rows_of(period).start, self.data.rows_of(period).stop).item.long()
            order = ids.argsort(stable=True)
            order = order[ids[order].diff(prepend=torch.tensor([-1])) > 0]  # the first row of each item
            first = Latest(self.data.sizes, "item")
            for part in log.compact(self.data.rows_of(period).start + order[ids[order] >= known], 0).parts:
                first.add(part)
            for kind, values in first.values(items).items():
                found[f"item/{kind}"][known:] = values[known:]
        return StoredValues(self.data.sizes, lambda side, kind: found[f"{side}/{kind}"], ()).of_items

    def _metrics(
        self,
        model: SidedModel,
        cases: Cases,
        mine: Sequence[Chunk],
        groups: Mapping[str, Tensor],
        information: Tensor,
        device: torch.device,
        several: bool,
    ) -> tuple[dict[str, float], int]:
        """The metrics of a model, and the number of cases with a score that is not finite."""
        settings = self.settings
        numbers = torch.zeros(3, len(cases.rows), dtype=torch.int64, device=device)
        shown = torch.zeros(len(settings.at), len(information), dtype=torch.int64, device=device)
        # Whole numbers, whose sums are the same whichever process takes which cases.
        size = torch.ones_like(cases.user) if cases.weight is None else whole_numbers(cases.weight)
        size = size.to(device)
        for chunk, tally in zip(
            mine, tallies(model, mine, max(settings.at), settings.sample, self.data.seed), strict=True
        ):
            numbers[:, chunk.places] = torch.stack([tally.above, tally.ties, tally.broken.long()])
            for number, k in enumerate(settings.at):
                row, column = (tally.listed[:, :k] >= 0).nonzero(as_tuple=True)
                shown[number].index_add_(0, tally.listed[row, column], size[chunk.places[row]])
        if several:
            numbers, shown = summed(numbers), summed(shown)
        above, ties, broken = numbers.cpu()
        found = means(Placed(above, ties, cases.missed), cases.user, groups, settings.at, cases.weight)
        if settings.sample is None:
            found |= _of_lists(shown.cpu(), information, settings.at)
        if bool(broken.any()):
            found = dict.fromkeys(found, math.nan)
        prefix = "" if settings.sample is None else SAMPLED
        return {f"{prefix}{name}": value for name, value in found.items()}, int(broken.sum())


def _popularity(so_far: SoFar, items: int) -> Tensor:
    """The decayed count of positives of each item, float64 [items]; 0 for one that appears later."""
    found = torch.zeros(items, dtype=torch.float64)
    count = min(items, len(so_far.popularity))
    found[:count] = torch.from_numpy(so_far.popularity[:count])
    return found


def _of_lists(shown: Tensor, information: Tensor, lengths: Sequence[int]) -> dict[str, float]:
    """The metrics of all lists together.

    Args:
        shown: in how many lists of each length an item is, int64 [K, items]; with weights, a multiple of it.
        information: of each item, -log2 of its share of the popularity, float64 [items].
        lengths: of the lists.
    """
    found: dict[str, float] = {}
    for k, counts in zip(lengths, shown, strict=True):
        places = float(counts.double().sum())  # whole numbers of weights may be too many for their type
        values = (
            int((counts > 0).sum()) / len(counts) if places else math.nan,
            float(counts.double() @ information) / places if places else math.nan,
        )
        found |= {f"{metric}_at_{k}": value for metric, value in zip(OF_LISTS, values, strict=True)}
    return found


def _counts(cases: Cases) -> dict[str, float]:
    """How many cases there are, and which of them count as missed or are left out."""
    ranked, drawn = len(cases.rows), cases.drawn
    return {
        "ranked": ranked,
        "unknown_item": int(cases.missed.sum()) / ranked if ranked else math.nan,
        "left_out": (drawn - ranked) / drawn if drawn else math.nan,
    }
