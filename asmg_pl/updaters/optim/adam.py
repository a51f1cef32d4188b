"""Adam as the method's authors ran it, and Adams that move some parameters by another rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from asmg_pl.updaters.optim import dense_steps


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

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to 0."""
        if not set_to_none:
            super().zero_grad(set_to_none=False)
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step.

        Args:
            closure: computes the loss and its gradients; by default the gradients are there.

        Returns:
            What the closure gives.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:  # √v + ε̂ is √(1 - β₂ᵗ) times (√v̂ + ε) with ε = ε̂/√(1 - β₂ᵗ)
            group["steps"] += 1
            group["eps"] = group["uncorrected_eps"] / (1 - group["betas"][1] ** group["steps"]) ** 0.5
        self.set_aside()
        for group in self.param_groups:
            self._move_together(group)
        self.move_aside()
        return loss

    def set_aside(self) -> None:
        """Before the step, take the gradients away of parameters that are moved by another rule; none by default."""

    def move_aside(self) -> None:
        """Move these parameters."""

    def begun(self, parameter: Tensor) -> dict[str, Tensor]:
        """The state of a parameter, which begins with 0 at its first step."""
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        return state

    def forget(self) -> None:
        """Go back to the state before the first step."""
        self.state.clear()
        for group in self.param_groups:
            group["steps"] = 0

    def _move_together(self, group: dict[str, Any]) -> None:
        """Move the parameters of a group that have a gradient: in one call of C++, or of PyTorch."""
        moved = [parameter for parameter in group["params"] if parameter.grad is not None]
        states = [self.begun(parameter) for parameter in moved]
        if not moved:
            return
        scaled = getattr(self, "grad_scale", None) is not None  # by a GradScaler, which also looks for infinite ones
        in_gradient = group["weight_decay"] and not group["decoupled_weight_decay"]  # which only PyTorch's call adds
        decay = 1 - group["lr"] * group["weight_decay"]
        if not scaled and not in_gradient and dense_steps.step(moved, states, group, decay):
            return
        beta, beta_square = group["betas"]
        adam(
            moved,
            [parameter.grad for parameter in moved],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=getattr(self, "found_inf", None),
            decoupled_weight_decay=group["decoupled_weight_decay"],
            amsgrad=False,
            beta1=beta,
            beta2=beta_square,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


class AdamAside(Adam, ABC):
    """Adam that leaves some parameters out of its step, and moves them by another rule afterwards."""

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float, epsilon: float = 1e-8) -> None:
        """Create the optimiser, see :class:`Adam`."""
        super().__init__(params, lr, epsilon)
        self._aside: list[tuple[dict[str, Any], Tensor, Tensor]] = []

    @abstractmethod
    def leaves_out(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> bool:
        """Whether a parameter of a group, with its gradient, is moved by the other rule in this step."""

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

    def set_aside(self) -> None:
        """See :meth:`Adam.set_aside`."""
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None and self.leaves_out(group, parameter, gradient):
                    gradient = gradient.coalesce() if gradient.is_sparse else gradient
                    self._aside.append((group, parameter, gradient))
                    parameter.grad = None

    def move_aside(self) -> None:
        """See :meth:`Adam.move_aside`."""
        for group, parameter, gradient in self._aside:
            self.move(group, parameter, gradient)
        self._aside.clear()
        self.finish()


class RowAdam(AdamAside):
    """Adam that changes only the rows which a sparse gradient has, and their moments; dense gradients as ever.

    A row that no mini-batch touches keeps its moments and stays where it is, and a step takes time in proportion to
    the rows touched. The bias correction counts all steps (as that of :class:`torch.optim.SparseAdam`).
    """

    def leaves_out(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> bool:
        """See :meth:`AdamAside.leaves_out`: parameters with a sparse gradient."""
        return gradient.is_sparse

    def move(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> None:
        """See :meth:`AdamAside.move`."""
        state = self.begun(parameter)
        state["step"] += 1
        rows, slope = gradient.indices()[0], gradient.values()
        (beta, beta_square), steps = group["betas"], group["steps"]
        mean = state["exp_avg"].index_select(0, rows).lerp_(slope, 1 - beta)
        square = state["exp_avg_sq"].index_select(0, rows).lerp_(slope * slope, 1 - beta_square)
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        spread = square.sqrt_().div_((1 - beta_square**steps) ** 0.5).add_(group["eps"])
        parameter.index_add_(0, rows, mean.div_(spread), alpha=-group["lr"] / (1 - beta**steps))
