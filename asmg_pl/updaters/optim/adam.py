"""Adam as the method's authors ran it, and Adams that move some parameters by another rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class Adam(torch.optim.Adam):
    """Adam with ε beside the *uncorrected* second moment (Kingma & Ba 2015, end of section 2; TensorFlow's).

    PyTorch adds ε after the bias correction. The two differ while 1 - β₂ᵗ is small, for coordinates whose gradient is
    not much larger than ε/√(1 - β₂ᵗ): their first steps are smaller here. A generator has many such coordinates.

    Attributes:
        apart: the ``id`` of each parameter that is moved by another rule than Adam's.
    """

    apart: frozenset[int] = frozenset()

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float, epsilon: float = 1e-8) -> None:
        """Create the optimiser.

        Args:
            params: the parameters, or groups of them; each parameter gets a gradient in every step.
            lr: learning rate of groups without one.
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


class AdamAside(Adam, ABC):
    """Adam that leaves some parameters out of its step, and moves them by another rule afterwards."""

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float, epsilon: float = 1e-8) -> None:
        """Create the optimiser, see :class:`Adam`."""
        super().__init__(params, lr, epsilon)
        self._aside: list[tuple[dict[str, Any], Tensor, Tensor]] = []
        self.register_step_pre_hook(_set_aside)
        self.register_step_post_hook(_move)

    @abstractmethod
    def leaves_out(self, parameter: Tensor) -> bool:
        """Whether a parameter, which has a gradient, is moved by the other rule in this step."""

    @abstractmethod
    def move(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> None:
        """Change a parameter that was left out, in place, here or in :meth:`finish`.

        A sparse gradient has each row once.

        Args:
            group: the parameter's group, with its learning rate.
            parameter: of any shape.
            gradient: of the same shape.
        """

    def finish(self) -> None:
        """End a step, once :meth:`move` has been called for each parameter that was left out."""


def _set_aside(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    """Before Adam's step, which leaves out parameters without a gradient."""
    assert isinstance(optimizer, AdamAside)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None and optimizer.leaves_out(parameter):
                gradient = parameter.grad.coalesce() if parameter.grad.is_sparse else parameter.grad
                optimizer._aside.append((group, parameter, gradient))
                parameter.grad = None


@torch.no_grad()
def _move(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    """After Adam's step."""
    assert isinstance(optimizer, AdamAside)
    for group, parameter, gradient in optimizer._aside:
        optimizer.move(group, parameter, gradient)
    optimizer._aside.clear()
    optimizer.finish()


class RowAdam(AdamAside):
    """Adam that changes only the rows which a sparse gradient has, and their moments; dense gradients as ever.

    A row that no mini-batch touches keeps its moments and stays where it is, and a step takes time in proportion to
    the rows touched. The bias correction counts all steps (as that of :class:`torch.optim.SparseAdam`).
    """

    def leaves_out(self, parameter: Tensor) -> bool:
        """See :meth:`AdamAside.leaves_out`: parameters with a sparse gradient."""
        return parameter.grad is not None and parameter.grad.is_sparse

    def move(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> None:
        """See :meth:`AdamAside.move`."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        rows, slope = gradient.indices()[0], gradient.values()
        (beta, beta_square), steps = group["betas"], group["steps"]
        mean = state["exp_avg"].index_select(0, rows).lerp_(slope, 1 - beta)
        square = state["exp_avg_sq"].index_select(0, rows).lerp_(slope * slope, 1 - beta_square)
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        spread = square.sqrt_().div_((1 - beta_square**steps) ** 0.5).add_(group["eps"])
        parameter.index_add_(0, rows, mean.div_(spread), alpha=-group["lr"] / (1 - beta**steps))


def _next_epsilon(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    """√v + ε̂ is √(1 - β₂ᵗ) times (√v̂ + ε) with ε = ε̂/√(1 - β₂ᵗ)."""
    for group in optimizer.param_groups:
        group["steps"] += 1
        group["eps"] = group["uncorrected_eps"] / (1 - group["betas"][1] ** group["steps"]) ** 0.5
