"""Prefill in steps that take several waiting prompts, up to a token budget.

An instance works in steps: at the end of one it takes the prompts that wait, up to B tokens, into the next.
The queue is the chain of `pdplan.serving.step_chain` with d(q) the time of a prefill step; prompts are taken
as divisible at the budget. The wait is the time in the instance beyond a prompt's own step alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pdplan import queueing
from pdplan.checks import require_fraction, require_positive
from pdplan.queueing.base import each_p
from pdplan.queueing.mg1 import mg1_mean_wait_s
from pdplan.queueing.service import Atoms
from pdplan.serving.chain_ttft import FinishDelay, finish_delay
from pdplan.serving.prefill_bounds import decay_rate
from pdplan.serving.prefill_queue import Array, Router, RouterBracket
from pdplan.serving.roots import decreasing_root
from pdplan.serving.step_chain import StepChain, solve_step_chain
from pdplan.trust import Trust


@dataclass(frozen=True, eq=False)
class BatchedWait:
    """Wait at one instance that batches prompts, seen by a prompt of mean length.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second of one instance [1/s].
    tokens, weight : array
        Law of the uncached prompt tokens [tok].
    budget_tokens : float
        B [tok].
    step_s : callable
        d(q), time of a step of q prompt tokens [s].
    stretch : float
        Scale of the wait in time: 1 for random routing [-].
    share : float
        Scale of P(W > t): 1 for random routing [-].

    Raises
    ------
    UnstableError
        More tokens than full steps can take.

    Notes
    -----
    Approximate. Measured errors: docs/validation/prefill_batched.md.

    Examples
    --------
    >>> law = BatchedWait(4.0, np.array([500.0]), np.ones(1), 8192.0, lambda q: 0.02 + 1e-4 * q)
    >>> round(law.utilization, 3), law.mean_wait_s < 0.02 + law.mean_wait_one_at_a_time_s
    (0.205, True)
    """

    arrival_rate: float
    tokens: Array
    weight: Array
    budget_tokens: float
    step_s: Callable[[Array], Array]
    stretch: float = 1.0
    share: float = 1.0

    def __post_init__(self) -> None:
        """Check numbers."""
        require_positive("budget_tokens", self.budget_tokens, "tok")
        require_fraction("stretch", self.stretch)
        require_fraction("share", self.share)

    @property
    def mean_tokens(self) -> float:
        """Mean prompt [tok]."""
        return float(self.weight @ self.tokens)

    @property
    def utilization(self) -> float:
        """Tokens offered over those of full steps [-]."""
        full = float(self.step_s(np.array([self.budget_tokens]))[0])
        return self.arrival_rate * self.mean_tokens * full / self.budget_tokens

    @property
    def mean_wait_one_at_a_time_s(self) -> float:
        """Mean wait if every prompt had a step of its own, infinite when that is overloaded [s]."""
        own = self.step_s(self.tokens)
        load = self.arrival_rate * float(self.weight @ own)
        return self.arrival_rate * float(self.weight @ own**2) / (2 * (1 - load)) if load < 1 else np.inf

    @cached_property
    def chain(self) -> StepChain:
        """Law of the prompt tokens waiting at the start of a step."""
        return solve_step_chain(
            self.arrival_rate, self.tokens, self.weight, self.budget_tokens, self._lasting_s, idle=1.0
        )

    def _lasting_s(self, tokens: Array) -> Array:
        """d(q), with the time of the first tokens for the empty step that an idle engine never makes [s]."""
        return np.asarray(self.step_s(np.maximum(tokens, 1.0)), dtype=float)

    def rescaled(self, stretch: float, share: float = 1.0) -> BatchedWait:
        """Return the same instance under a router that shortens its waits; what was solved is lent."""
        other = replace(self, stretch=stretch, share=share)
        vars(other).update({k: v for k, v in vars(self).items() if k in ("chain", "_finish")})
        return other

    @property
    def busy(self) -> float:
        """Share of the time that the instance works [-]."""
        return 1.0 - self.chain.met[1]

    @cached_property
    def steady_step_s(self) -> float:
        """Length of a step that takes in just what arrives meanwhile, without any fluctuation [s]."""
        token_rate = self.arrival_rate * self.mean_tokens
        low, high = 0.0, float(self.step_s(np.array([self.budget_tokens]))[0])

        def excess(duration: float) -> float:
            tokens = min(token_rate * duration, self.budget_tokens)
            return float(self._lasting_s(np.array([tokens]))[0]) - duration

        return decreasing_root(excess, low, high, rtol=1e-6)

    @cached_property
    def _own_units(self) -> int:
        return max(1, round(self.mean_tokens / self.chain.unit_tokens))

    @cached_property
    def _finish(self) -> FinishDelay:
        own = np.zeros(self.chain.pmf.size)
        own[self._own_units] = 1.0
        return finish_delay(self.chain, own)

    @cached_property
    def mean_own_s(self) -> float:
        """Time of a prompt of mean length alone, in full steps and a last one [s]."""
        m, d = self.chain.budget_units, self.chain.duration_s
        full = -(-self._own_units // m) - 1
        return float(full * d[m] + d[self._own_units - full * m])

    @property
    def mean_wait_s(self) -> float:
        """Mean wait [s]."""
        return max(0.0, self._finish.mean_s - self.mean_own_s) * self.stretch * self.share

    @property
    def mean_queue_length(self) -> float:
        """Prompts waiting [-]."""
        return self.arrival_rate * self.mean_wait_s

    @property
    def trust(self) -> Trust:
        """Always approximate."""
        return Trust.APPROXIMATE

    def wait_sf(self, t: Any) -> Any:
        """P(W > t)."""
        if self.stretch == 0 or self.share == 0:
            return np.zeros_like(np.asarray(t, dtype=float))
        x = np.asarray(t, dtype=float) / self.stretch + self.mean_own_s
        # an idle engine starts at once: that mass sits half a lattice step around the own time
        return self.share * self._finish.sf(x + 0.5 * self._finish.step_s)

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]."""

        def quantile(level: Array) -> Array:
            at = self._finish.step_s * (np.arange(self._finish.cdf.size) + 0.5)
            if self.share == 0 or self.stretch == 0:
                return np.zeros_like(level)
            inner = 1.0 - np.minimum(1.0 - level, self.share) / self.share
            q = np.interp(inner, self._finish.cdf, at) - self.mean_own_s - 0.5 * self._finish.step_s
            return np.asarray(np.maximum(q, 0.0) * self.stretch)

        return each_p(p, quantile)


def router_gain(router: Router, busy: float, service: Atoms, instances: int) -> float:
    """Mean wait under a router over that under random, one prompt at a time, at the load ``busy`` [-].

    Round robin by two moments (Kraemer and Langenbach-Belz), least work left by `MGc`.

    Examples
    --------
    >>> router_gain("round_robin", 0.8, Atoms([1.0], [1.0]), 1)
    1.0
    >>> router_gain("least_work", 0.8, Atoms([1.0], [1.0]), 4) < 0.3
    True
    """
    if router == "random" or instances == 1:
        return 1.0
    rate = min(busy, 0.999) / service.mean_s
    random = float(mg1_mean_wait_s(rate, service.mean_s, service.scv))
    if router == "round_robin":
        better = queueing.klb_mean_wait_s(rate, service.mean_s, 1.0 / instances, service.scv)
    else:
        better = float(queueing.MGc(rate * instances, service, instances).mean_wait_s)
    return min(1.0, better / random)


def batched_law(router: Router, random: BatchedWait, service: Atoms, instances: int) -> Any:
    """Wait in a pool of batching instances under a router.

    No router shortens the wait below that of steps which take in just what arrives meanwhile (half of one,
    then a whole one); what is above it falls by the router's gain at the same busy share. The law is scaled
    to that mean: in time for least work left; for round robin in time by the ratio of the decay rates of the
    tails (which it hardly changes where prompts vary), the rest in probability.

    Parameters
    ----------
    router : str
        How prompts are dealt.
    random : BatchedWait
        One instance under random routing.
    service : Atoms
        Time of a prompt in a step of its own.
    instances : int
        [-].

    Examples
    --------
    >>> one = BatchedWait(10.0, np.array([500.0]), np.ones(1), 8192.0, lambda q: 0.02 + 1e-4 * q)
    >>> better = batched_law("round_robin", one, Atoms([0.07], [1.0]), 4)
    >>> better.mean_wait_s < one.mean_wait_s
    True
    """
    if router in ("jsq", "power_of_two") and instances > 1:
        return RouterBracket(batched_law("least_work", random, service, instances), random)
    wait = random.mean_wait_s
    if router == "random" or instances == 1 or wait == 0:
        return random
    floor = min(max(0.0, 1.5 * random.steady_step_s - random.mean_own_s), wait)
    gain = router_gain(router, random.busy, service, instances)
    ratio = (floor + (wait - floor) * gain) / wait
    if router == "least_work":
        return random.rescaled(ratio)
    rate = min(random.busy, 0.999) / service.mean_s
    stretch = max(ratio, decay_rate(rate, service, 1) / decay_rate(rate, service, instances))
    return random.rescaled(min(stretch, 1.0), ratio / min(stretch, 1.0))
