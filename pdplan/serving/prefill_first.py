"""The colocated engine without chunks: waiting prompts go first, decode stands still (vLLM v0, Orca)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pdplan.checks import require_stable
from pdplan.errors import UnstableError
from pdplan.serving.busy_gap import gap_pmf
from pdplan.serving.colocated import worst_itl_s
from pdplan.serving.colocated_base import ColocatedStation
from pdplan.serving.colocated_mix import Array
from pdplan.serving.discrete_law import DiscreteLaw
from pdplan.serving.roots import decreasing_root


@dataclass(frozen=True, eq=False)
class PrefillFirstStation(ColocatedStation):
    """Prefill steps of whole prompts up to the budget run as long as prompts wait; then one decode step.

    A prompt longer than the budget is taken as cut into steps of the budget.
    """

    discipline = "prefill_first"

    @cached_property
    def _prefill_s(self) -> Array:
        """Time of each atom's prefill in a step of its own [s]."""
        new, cached = self.new_tokens, self.cached_tokens
        return np.asarray(self.model.prefill_step_s(new, (new + cached) ** 2 - cached**2), dtype=float)

    def extra_s(self, batch: Array) -> Array:
        """Prefill time does not depend on the batch [s]."""
        return np.broadcast_to(self._prefill_s, (np.size(batch), self._prefill_s.size))

    @cached_property
    def _share_alone(self) -> float:
        """Share of the time for prefill if every prompt had a step of its own [-]."""
        return self.arrival_rate * float(self.prompt_weight @ self._prefill_s)

    @cached_property
    def prefill_share(self) -> float:
        """Share u of the time in prefill steps: the longer decode steps are, the more prompts share one [-].

        The root of u = (share of the chain at b(u)), which falls in u: between full steps and lone prompts.
        """
        full = float(self._prefill_step_s(np.array([self.budget_tokens]))[0]) / self.budget_tokens
        low = self.arrival_rate * float(self.prompt_weight @ self.new_tokens) * full
        require_stable(low, what="the colocated instance's prefill")
        low, high = min(low, self._share_alone), min(self._share_alone, 1 - 1e-9)

        def excess(share: float) -> float:
            try:
                batch = self._batch_at(lambda _: share)
            except UnstableError:
                return -1.0
            step_s = float(self.step.at(max(batch, 1.0)))
            chain = self._chain_at(lambda q: self._iteration_at(q, step_s), 0.0)
            return chain.prefill_time_share - share

        return decreasing_root(excess, low, high, rtol=2e-3)

    @cached_property
    def typical_batch(self) -> float:
        """The fixed point b = lam G t(b + 1)/(1 - u) at the solved share [-]."""
        return self._batch_at(lambda _: self.prefill_share)

    def _prefill_step_s(self, tokens: Array) -> Array:
        """A prefill step of that many tokens, their attention at its mean [s]."""
        squares = (self.new_tokens + self.cached_tokens) ** 2 - self.cached_tokens**2
        per_token = float(self.prompt_weight @ squares) / float(self.prompt_weight @ self.new_tokens)
        return np.asarray(self.model.prefill_step_s(tokens, tokens * per_token), dtype=float)

    def _iteration_at(self, tokens: Array, step_s: float) -> Array:
        return np.asarray(np.where(tokens > 0, self._prefill_step_s(tokens), step_s))

    def iteration_s(self, prompt_tokens: Array) -> Array:
        """A prefill step of that many tokens; a decode step where there are none [s]."""
        step_s = float(self.step.at(max(self.typical_batch, 1.0)))
        return self._iteration_at(np.asarray(prompt_tokens, dtype=float), step_s)

    @cached_property
    def itl(self) -> DiscreteLaw:
        """A decode step, and the prefill burst that the prompts which came during it set off.

        The burst is a busy period: prompts that come during it are also prefilled before decode goes on.
        """
        plain = self.decode.itl
        base = plain.value * (1 - self.prefill_share)
        step_s = float(plain.weight @ base)
        packed = self._prefill_s * (self.prefill_share / self._share_alone)
        lattice_s, burst = gap_pmf(self.arrival_rate, packed, self.prompt_weight, step_s)
        times = lattice_s * np.arange(burst.size)
        values = (base[:, None] + times[None, :]).ravel()
        weight = (plain.weight[:, None] * burst[None, :]).ravel()
        kept = weight > 1e-12
        return DiscreteLaw.of(values[kept], weight[kept] / weight[kept].sum())

    @property
    def worst_itl_s(self) -> float:
        """t(b) + the longest whole prefill [s]."""
        step = float(self.step.at(self.typical_batch))
        return float(worst_itl_s(step, float(self._prefill_s.max())))
