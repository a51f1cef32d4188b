"""Adam as the method's authors ran it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class Adam(torch.optim.Adam):
    """Adam with ε beside the *uncorrected* second moment (Kingma & Ba 2015, end of section 2; TensorFlow's).

    PyTorch adds ε after the bias correction. The two differ while 1 - β₂ᵗ is small, for coordinates whose gradient is
    not much larger than ε/√(1 - β₂ᵗ): their first steps are smaller here. A generator has many of them.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, epsilon: float = 1e-8) -> None:
        """Create the optimiser.

        Args:
            params: the parameters; each of them gets a gradient in every step.
            lr: learning rate.
            epsilon: ε̂, added to the root of the uncorrected second moment.
        """
        super().__init__(params, lr=lr, eps=epsilon, fused=True)
        for group in self.param_groups:
            group["uncorrected_eps"], group["steps"] = epsilon, 0
        self.register_step_pre_hook(_next_epsilon)

    def forget(self) -> None:
        """Go back to the state before the first step."""
        self.state.clear()
        for group in self.param_groups:
            group["steps"] = 0


def _next_epsilon(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    """√v + ε̂ is √(1 - β₂ᵗ) times (√v̂ + ε) with ε = ε̂/√(1 - β₂ᵗ)."""
    for group in optimizer.param_groups:
        group["steps"] += 1
        group["eps"] = group["uncorrected_eps"] / (1 - group["betas"][1] ** group["steps"]) ** 0.5
