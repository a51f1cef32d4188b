"""The steps that Adam takes on a row without a gradient, added up.

Such a row moves all the same, since its moments decay. From m and v at step s, step s + j moves it by

    rate · a(s+j) · β₁ʲ m / (β₂^(j/2) √v + ε̂)        a(t) = √(1 - β₂ᵗ) / (1 - β₁ᵗ), the bias corrections

With r = √v, y = r / (r + ε̂) and δ(j) = 1 - β₂^(j/2), the fraction is 1 / (r + ε̂) · Σ_p (δ(j) y)ᵖ. So n steps add up to

    rate · m / (r + ε̂) · Σ_p D_p yᵖ                     D_p = Σ_{j=1..n} a(s+j) β₁ʲ δ(j)ᵖ

The D_p depend on s and n alone. They are differences of two sums without an end, C_p(s) from s on and a combination of
C_k(s+n) from s + n on, so that a row costs the same for any n. The factor β₁ʲ keeps j near 10, where δ is near 0.005:
each term is some 100 times smaller than the one before it, whatever v and ε̂ are, and a few of them are exact.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: What a sum may lack, relative to the whole: less than a hundredth of what float32 rounds off.
PRECISION = 1e-10

#: Steps whose sums are computed at a time.
BLOCK = 1024


class IdleSums:
    """The sums C_p(s), for as many steps as are asked for.

    Attributes:
        betas: β₁ and β₂.
        terms: how many p there are.
        horizon: the step from which on the sums stay the same, as the bias corrections are 1.
        powers: β₁ⁿ and β₂^(n/2) for n from 0 on, float64 [BLOCK, 2].

    Examples:
        The moves of two steps without a gradient, after step 7, of a coordinate with m = 1, √v = 1 and ε̂ = 0:

        >>> sums = IdleSums((0.9, 0.999))
        >>> def correction(step):
        ...     return math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        >>> by_hand = correction(8) * 0.9 / math.sqrt(0.999) + correction(9) * 0.81 / 0.999
        >>> abs(float(sums.between(torch.tensor([7]), 9)[0].sum()) - by_hand) < 1e-9
        True
    """

    def __init__(self, betas: tuple[float, float]) -> None:
        """Compute nothing yet.

        Args:
            betas: the decays of the moments, above 0 and below 1.
        """
        self.betas = betas
        beta, beta_square = betas
        self.horizon = math.ceil(math.log(1e-17) / math.log(max(betas)))
        steps = torch.arange(1, math.ceil(math.log(1e-20) / math.log(beta)) + 1, dtype=torch.float64)
        weights, powers = beta**steps, -torch.expm1(steps * math.log(beta_square) / 2)
        self.terms = 1
        while float(weights @ powers**self.terms) > PRECISION * float(weights.sum()):
            self.terms += 1
        self._kernel = torch.stack([weights * powers**p for p in range(self.terms)], dim=1)  # [J, P]
        idle = torch.arange(BLOCK, dtype=torch.float64)
        self.powers = torch.stack([beta**idle, torch.exp(idle * math.log(beta_square) / 2)], dim=1)
        self._sums = torch.zeros(0, self.terms, dtype=torch.float64)
        self._copies: dict[torch.device, Tensor] = {}

    def until(self, step: int) -> Tensor:
        """The sums from each step on, float64 [S, P], where S is above ``step`` or the horizon."""
        while len(self._sums) <= min(step, self.horizon):
            first, ahead = len(self._sums), len(self._kernel)
            steps = torch.arange(first + 1, first + BLOCK + ahead, dtype=torch.float64)
            beta, beta_square = self.betas
            corrections = (-torch.expm1(steps * math.log(beta_square))).sqrt() / -torch.expm1(steps * math.log(beta))
            block = corrections.unfold(0, ahead, 1) @ self._kernel
            self._sums = torch.cat([self._sums, block])
        return self._sums

    def between(self, since: Tensor, now: int) -> Tensor:
        """The D_p of rows, float64 [n, P].

        Args:
            since: the step up to which each row has moved, int [n].
            now: the step up to which all of them move.
        """
        sums, (beta, beta_square) = self._at(since.device, now), self.betas
        idle = (now - since).double()
        root = torch.exp(idle * math.log(beta_square) / 2)[:, None]
        # Later sums, from now on, in powers of 1 - β₂^(n/2) β₂^(i/2) = (1 - β₂^(n/2)) + β₂^(n/2) δ(i).
        after = sums[min(now, self.horizon)] * root ** torch.arange(self.terms, device=since.device)
        shifted = [after[:, 0]]
        for _ in range(1, self.terms):
            after = (1 - root) * after[:, :-1] + after[:, 1:]
            shifted.append(after[:, 0])
        later = torch.exp(idle * math.log(beta))[:, None] * torch.stack(shifted, dim=1)
        return sums.index_select(0, since.long().clamp(max=self.horizon)) - later

    def _at(self, device: torch.device, now: int) -> Tensor:
        """The sums on a device, where they stay, so that a step needs no copy."""
        sums = self.until(now)
        if device not in self._copies or len(self._copies[device]) < len(sums):
            self._copies[device] = sums.to(device)
        return self._copies[device]
