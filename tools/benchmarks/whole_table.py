"""The rival: ASMG as published, over every row of every table for each mini-batch, in plain operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from asmg_pl.data import Batch
from asmg_pl.recommenders import Lookup
from asmg_pl.updaters import ASMG


class WholeTable:
    """Whole snapshots in, whole models out, with an updater's weights, so that both sides compute the same numbers."""

    def __init__(self, updater: ASMG) -> None:
        """Take snapshots and weights."""
        self.updater, self.generator = updater, updater.generator
        history = updater.history
        self.tables = {
            name: history.rows(name, torch.arange(len(table), device=table.device))
            for name, table in updater.recommender.table_parameters().items()
        }
        self.dense = history.dense_window()

    def models(self) -> list[tuple[dict[str, Tensor], dict[str, Tensor]]]:
        """Tables and dense parameters generated after each snapshot, by name."""
        tables = {name: self._run(f"table_{name}", *given) for name, given in self.tables.items()}
        window, hidden = self.dense
        dense = self._run("dense", window[:, None], hidden[None])
        return [
            ({name: values[i] for name, values in tables.items()}, self.updater.history.split_dense(values[0]))
            for i, values in enumerate(dense)
        ]

    def _run(self, key: str, window: Tensor, hidden: Tensor) -> list[Tensor]:
        """From values [k, n, P] and the state before them [n, P, H] to k times generated values [n, P]."""
        cells: Any = self.generator.get_submodule(f"cells.{key}")
        output: Any = self.generator.get_submodule(f"outputs.{key}")
        u_z, u_r, u_g = cells.input_weight.squeeze(1).chunk(3, -1)  # [P, H]
        w_z, w_r, w_g = cells.hidden_weight.chunk(3, -1)  # [P, H, H]
        generated = []
        for values in window.unsqueeze(-1):  # [n, P, 1]
            z = torch.sigmoid(values * u_z + torch.einsum("nph,phj->npj", hidden, w_z))
            r = torch.sigmoid(values * u_r + torch.einsum("nph,phj->npj", hidden, w_r))
            g = torch.tanh(values * u_g + torch.einsum("nph,phj->npj", r * hidden, w_g))
            hidden = (1 - z) * hidden + z * g
            generated.append((hidden * output.weight).sum(-1) + output.bias)
        return generated

    def loss(self, batches: Sequence[Batch]) -> Tensor:
        """Σ λ_i L(Θ*_i | D_{i+1})."""
        recommender: nn.Module = self.updater.recommender
        losses = []
        for (tables, dense), batch in zip(self.models(), batches, strict=True):
            lookups = {name: Lookup(tables[name], ids) for name, ids in self.updater.recommender.lookups(batch).items()}
            logits = functional_call(recommender, dense, (batch, lookups))
            losses.append(F.binary_cross_entropy_with_logits(logits, batch.label))
        return torch.stack(losses) @ self.updater.position_weights
