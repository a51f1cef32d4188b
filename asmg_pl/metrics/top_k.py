"""The settings of top-K metrics: which cases are ranked, among which items, and how long a list is.

    a positive row of the period ─▶ case: its user, at its time      which place has its item among the candidates?
    hr_at_10   known users …        first ten places

Cases are scored before anything is trained on them, like all rows of a period.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from asmg_pl.errors import ConfigError

#: The metrics of a case, whose means are given for all cases and for those of known and new users and items.
OF_CASES = ("hr", "ndcg", "mrr", "recall")

#: The metrics of all lists together.
OF_LISTS = ("coverage", "novelty")

#: The rankings that every model has beside it.
BASELINES = {"popularity": "the most popular items", "last_item": "what mostly follows the user's latest item"}

#: What the names of metrics begin with if the candidates are a sample.
SAMPLED = "sampled_"


class TopK:
    """Ranks items for the users of a period's positive rows, and scores the lists (``model.top_k``).

    A case is a positive row. Its item has a place among the candidates by the model's score. Items with equal scores
    share their places: a case counts what it would count on average over all their orders. So a model that gives all
    items one score is as good as chance.

    Candidates are items that have a row before the period. A case whose item is none of them counts as missed, since
    no list could have had it. The features of a candidate, also of the case's own item, are those of its latest row
    before the period, or of its first row if it appears within. With ``exclude_seen``, the items of the user's earlier
    histories are no candidates, and a case whose item is among them is left out.

    ======================  ===========================================================================
    ``hr_at_10``            share of the cases whose item is among the first 10
    ``recall_at_10``        the same share within each user's cases, as the mean over the users
    ``ndcg_at_10``          mean of 1 / log2(1 + place), 0 beyond the 10th place
    ``mrr_at_10``           mean of 1 / place, 0 beyond the 10th place
    ``coverage_at_10``      share of the candidates that are in one of the lists at least
    ``novelty_at_10``       mean of -log2 of the popularity's share, over all places of all lists
    ======================  ===========================================================================

    A case counts its row's weight, and its list as often; a row of weight 0 is no case.

    The first four are given for all cases and, as ``hr_at_10_new_users`` and so on, for those of known and new users
    and items. Metrics over sampled candidates are called ``sampled_hr_at_10`` and so on. They are no estimates of
    those over all candidates, and can order models otherwise. Coverage and novelty are of whole lists only.

    Source: Krichene and Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020; Li et al., "On Sampling Top-K
    Recommendation Evaluation", KDD 2020.

    Examples:
        >>> TopK(at=[5, 10]).names()[:4]
        ['hr_at_5', 'ndcg_at_5', 'mrr_at_5', 'recall_at_5']
        >>> TopK(at=[10], candidates=100).names()
        ['sampled_hr_at_10', 'sampled_ndcg_at_10', 'sampled_mrr_at_10', 'sampled_recall_at_10']
    """

    def __init__(
        self,
        at: Sequence[int] = (10, 20),
        candidates: int | Literal["all"] = "all",
        exclude_seen: bool = False,
        rows: int | None = 1000,
        appeared: bool = False,
    ) -> None:
        """Choose cases, candidates and lengths.

        Args:
            at: the lengths of lists, K.
            candidates: ``all``, or how many are drawn for each case, uniformly and with replacement.
            exclude_seen: whether the items of a user's earlier histories are no candidates.
            rows: the most positive rows of a period that are ranked, drawn by seed and row, whatever they weigh, the
                same for all methods;
                ``null`` for all.
            appeared: whether items that appear within the period, at an earlier time than the case, are candidates
                too. The model has not been trained on them.

        Raises:
            ConfigError: naming the option.
        """
        if not at or min(at) < 1 or len(set(at)) < len(at):
            raise ConfigError(f"model.top_k.at must be different whole numbers from 1 on, got {list(at)}")
        if candidates != "all" and candidates <= max(at):
            raise ConfigError(
                f"model.top_k.candidates must be 'all' or more than the longest list, {max(at)}, got {candidates}"
            )
        if rows is not None and rows < 1:
            raise ConfigError(f"model.top_k.rows must be at least 1, or null for all, got {rows}")
        self.at = tuple(sorted(at))
        self.candidates = candidates
        self.exclude_seen = exclude_seen
        self.rows = rows
        self.appeared = appeared

    @property
    def sample(self) -> int | None:
        """How many candidates are drawn for each case; ``None`` if all are scored."""
        return None if self.candidates == "all" else int(self.candidates)

    def names(self) -> list[str]:
        """The metrics of a model, without those of known and new users and items."""
        if self.sample is not None:
            return [f"{SAMPLED}{metric}_at_{k}" for k in self.at for metric in OF_CASES]
        return [f"{metric}_at_{k}" for k in self.at for metric in (*OF_CASES, *OF_LISTS)]


def headline_of(metrics: Sequence[str]) -> str | None:
    """The one of a model's metrics that stands for its lists: NDCG at the shortest length; ``None`` without lists.

    Examples:
        >>> headline_of(["auc", "logloss", "hr_at_5", "ndcg_at_5", "ndcg_at_10"])
        'ndcg_at_5'
    """
    return next((name for name in metrics if name.removeprefix(SAMPLED).startswith("ndcg_at_")), None)
