"""The decode station in its steady state: batch, time per token, admission and KV, as laws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.latency.model import LatencyModel
from pdplan.serving.admission import AdmissionWait, JoinWait, deterministic_wait_ratio, variability_factor
from pdplan.serving.batch_law import capped_pmf, uncapped_pmf
from pdplan.serving.context_spectrum import KvEffect
from pdplan.serving.decode_load import DecodeLoad
from pdplan.serving.decode_step import AffineStep, ModelStep, StepTime
from pdplan.serving.decode_work import DecodeWork, FirstToken
from pdplan.serving.demand import ClassDemand
from pdplan.serving.discrete_law import DiscreteLaw
from pdplan.serving.kv_law import itl_with_kv, kv_share, local_kv_effect
from pdplan.serving.kv_occupancy import KvOccupancy
from pdplan.serving.request_tpot import RequestTpot
from pdplan.trust import Trust

Array = NDArray[np.float64]

#: Below this ratio of KV capacity to the KV reserved on average, a cap formula is 2-3 times optimistic.
ENOUGH_HEADROOM = 1.5

#: Share of time below which a full batch, or one beyond the measured range, leaves p99 alone.
NEGLIGIBLE = 1e-4


@dataclass(frozen=True, eq=False)
class StationaryBatch:
    """Decode of one instance: Poisson requests join a batch that makes one step after another.

    Parameters
    ----------
    arrival_rate : float
        Requests per second sent to the instance, those that need no decode included [1/s].
    work : DecodeWork
        Steps and contexts of the requests.
    step : StepTime
        t(n): `AffineStep`, `TabulatedStep` or `ModelStep`.
    max_batch : int, optional
        Largest batch of the engine; further requests wait. Default: no limit.
    kv_capacity_tokens : float, optional
        KV room of the instance [tok]; limits the batch to what fits when every request reserves its final
        context. Default: no limit.

    Notes
    -----
    Uncapped without KV reads the law is exact in the fluid-step limit (many steps per request), whatever the
    output lengths; the measured error of a real step-by-step engine is in docs/validation/decode_accuracy.md,
    and `trust` follows that table. ITL is the time between two steps, TPOT is ITL / tokens per step.

    Raises
    ------
    UnstableError
        More work than the instance can do.
    InfeasibleError
        The KV room holds less than one request.

    References
    ----------
    Cohen 1979, Kelly 1979 (state-dependent processor sharing is insensitive).

    Examples
    --------
    >>> law = StationaryBatch.affine(4.0, mean_steps=200, base_s=0.01, per_sequence_s=2e-4)
    >>> round(law.mean_tpot_s, 6), round(float(law.itl_quantile_s(0.99)), 4)     # (a + beta)/(1 - phi)
    (0.012143, 0.014)
    """

    arrival_rate: float
    work: DecodeWork
    step: StepTime
    max_batch: int | None = None
    kv_capacity_tokens: float | None = None

    def __post_init__(self) -> None:
        """Check once; the laws are computed when asked for."""
        _ = self.load

    @classmethod
    def affine(
        cls,
        arrival_rate: float,
        mean_steps: float,
        base_s: float,
        per_sequence_s: float,
        *,
        max_batch: int | None = None,
    ) -> StationaryBatch:
        """Equal requests of ``mean_steps`` steps on t(n) = base + per_request n, KV reads included in it."""
        work = DecodeWork.equal(mean_steps)
        return cls(arrival_rate, work, AffineStep(base_s, per_sequence_s), max_batch)

    @classmethod
    def from_latency(
        cls,
        model: LatencyModel,
        demand: ClassDemand,
        *,
        step_factor: float = 0.95,
        tokens_per_step: float = 1.0,
        first_token_from: FirstToken = "decode",
        max_batch: int | None = None,
        kv_capacity_tokens: float | None = None,
    ) -> StationaryBatch:
        """Take step times from a latency model and lengths from a class (or pooled classes).

        ``demand.arrival_rate`` is what comes to *this* instance. ``step_factor``: t_system = t / f; 0.95
        reproduces the in-system points of arXiv 2603.04716 within 1.3%.
        """
        work = DecodeWork.from_demand(demand, first_token_from, tokens_per_step)
        step = ModelStep.of(model, work.mean_context, step_factor)
        return cls(demand.arrival_rate, work, step, max_batch, kv_capacity_tokens)

    def with_rate(self, arrival_rate: float) -> StationaryBatch:
        """Return the same instance at another rate [1/s]."""
        return replace(self, arrival_rate=arrival_rate)

    # ------------------------------------------------------------------ load

    @cached_property
    def load(self) -> DecodeLoad:
        """Cap, utilisation, largest rate."""
        return DecodeLoad(self.arrival_rate, self.work, self.step, self.max_batch, self.kv_capacity_tokens)

    @property
    def cap(self) -> int | None:
        """Largest batch: the engine's, or what fits into KV if that is less [-]."""
        return self.load.cap

    @property
    def utilization(self) -> float:
        """Offered over possible: lam G t(B)/B, or lam G times the slope of t when nothing caps it [-]."""
        return self.load.utilization

    @property
    def max_rate(self) -> float:
        """Arrival rate at which the instance is full [1/s]."""
        return self.load.max_rate

    @property
    def steps_per_s(self) -> float:
        """Steps of single requests asked per second, lam G [1/s]."""
        return self.load.steps_per_s

    # ------------------------------------------------------------------ batch

    @cached_property
    def _step_s(self) -> Array:
        """t(1), t(2), ... as far as the law reaches [s]."""
        size = self.batch_pmf.size if self.cap is None else self.cap
        return np.asarray(self.step.at(np.arange(1.0, size + 1)), dtype=float)

    @cached_property
    def batch_pmf(self) -> Array:
        """P(running = n), n = 0, 1, ... at a random time [-]; with a cap the last is P(N >= B)."""
        if self.cap is None:
            return uncapped_pmf(self.steps_per_s, self.step.at)
        return capped_pmf(self.steps_per_s, self._step_s)

    @cached_property
    def mean_batch(self) -> float:
        """Mean number of requests running [-]."""
        return float(self.batch_pmf @ np.arange(self.batch_pmf.size))

    @cached_property
    def var_batch(self) -> float:
        """Variance of the number running [-]."""
        return float(self.batch_pmf @ (np.arange(self.batch_pmf.size) - self.mean_batch) ** 2)

    # ------------------------------------------------------------------ time per token

    @cached_property
    def kv_effect(self) -> KvEffect | None:
        """How unequal contexts spread the step; None without KV reads, or where t(n) does not grow."""
        return local_kv_effect(self.work, self.step, self.load.decode_rate, max(1.0, self.mean_batch))

    @cached_property
    def itl(self) -> DiscreteLaw:
        """Law of the step time seen by a token [s]: t(N + 1), since a token sees the others and itself."""
        if self.kv_effect is not None:
            spread_s = self.step.per_context_token_s * self.work.var_context**0.5
            return itl_with_kv(self.steps_per_s, self.step, self.cap, self.kv_effect, spread_s)
        weight = self.batch_pmf
        if self.cap is not None:
            weight = weight[:-1].copy()
            weight[-1] += self.batch_pmf[-1]
        return DiscreteLaw.of(self._step_s, weight)

    @property
    def mean_itl_s(self) -> float:
        """Mean gap between steps, over tokens [s]."""
        return self.itl.mean

    def itl_quantile_s(self, p: Any) -> Any:
        """p-quantile of the gap between steps, over gaps [s]."""
        return self.itl.quantile(p)

    def itl_sf(self, x: Any) -> Any:
        """P(gap > x), over gaps."""
        return self.itl.sf(x)

    @property
    def mean_tpot_s(self) -> float:
        """Mean time per output token [s]."""
        return self.itl.mean / self.work.tokens_per_step

    @cached_property
    def step_tangent(self) -> tuple[float, float]:
        r"""Step time at the mean batch n* and, from the tangent of t there, the memory of the batch [s], [s].

        Near n* the batch relaxes with :math:`\tau = G\,t(n^*)^2/a`, a = t - n t' the tangent's intercept.
        """
        n = max(1.0, self.mean_batch)
        t0, t1 = (float(t) for t in self.step.at(np.array([n, n + 1.0])))
        intercept = t0 - n * (t1 - t0)
        return t0, self.work.mean_steps * t0**2 / intercept if intercept > 0 else np.inf

    @cached_property
    def request_tpot(self) -> RequestTpot:
        """Law of the TPOT of a request, over requests of two output tokens and more."""
        return RequestTpot.of(self.itl, self.work, *self.step_tangent)

    def tpot_quantile_s(self, p: Any) -> Any:
        """p-quantile of TPOT over requests [s]; requests of one output token are left out."""
        return self.request_tpot.quantile(p)

    def tpot_sf(self, x: Any) -> Any:
        """P(TPOT > x) over requests of two output tokens and more."""
        return self.request_tpot.sf(x)

    # ------------------------------------------------------------------ admission and KV

    @cached_property
    def admission(self) -> AdmissionWait:
        """Law of the wait for a place in the batch."""
        if self.cap is None:
            return AdmissionWait(0.0, 1.0)
        ratio = deterministic_wait_ratio(self.cap, self.utilization)
        # a full batch is one server of seconds: a step takes from each request its share of t(B)
        gamma, share_s = self.step.per_context_token_s, float(self._step_s[-1]) / self.cap
        scv = self.work.scv_work(max(0.0, share_s - gamma * self.work.mean_context), gamma)
        factor = variability_factor(scv, ratio)
        spare_rate = self.load.decode_rate * (1 / self.utilization - 1)
        return AdmissionWait(float(self.batch_pmf[-1]), float(factor / spare_rate))

    @cached_property
    def join(self) -> JoinWait:
        """Law of the wait for the end of the step under way, U(0, t(N))."""
        running = self.batch_pmf[1:]
        return JoinWait(float(self.batch_pmf[0]), self._step_s[: running.size], running)

    @cached_property
    def kv(self) -> KvOccupancy:
        """Law of the KV tokens in use by running requests."""
        kv, var = self.work.mean_context, self.work.var_context
        mean, spread = self.mean_batch * kv, self.mean_batch * var + self.var_batch * kv**2
        if self.kv_effect is not None:
            mean *= self.kv_effect.context_mean_ratio
            spread *= self.kv_effect.context_spread
        return KvOccupancy(mean, spread)

    @property
    def kv_overflow_probability(self) -> float:
        """P(KV in use > capacity) at a random time [-]; 0 without a capacity."""
        return 0.0 if self.kv_capacity_tokens is None else float(self.kv.sf(self.kv_capacity_tokens))

    @property
    def kv_headroom(self) -> float:
        """KV capacity over the KV reserved on average [-]; infinite without a capacity."""
        if self.kv_capacity_tokens is None:
            return np.inf
        return self.kv_capacity_tokens / (self.mean_batch * self.work.mean_reserved)

    @property
    def kv_share(self) -> float:
        """KV reads over the whole growth of a step with the batch, gamma kv / (beta + gamma kv) [-]."""
        return kv_share(self.work, self.step, max(1.0, self.mean_batch))

    # ------------------------------------------------------------------ trust

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What stops the law from being exact, one line each."""
        found = []
        if self.kv_share > 0:
            found.append(
                f"KV reads are {self.kv_share:.0%} of a step's growth: percentiles are a two-moment fit"
            )
        if self.cap is not None and self.batch_pmf[-1] > NEGLIGIBLE:
            found.append(f"the batch of {self.cap} is full {self.batch_pmf[-1]:.2%} of the time")
        if self.kv_headroom < ENOUGH_HEADROOM:
            found.append(f"KV headroom is {self.kv_headroom:.2f}: below {ENOUGH_HEADROOM} simulate")
        beyond = float(self.batch_pmf[int(min(self.step.valid_to, self.batch_pmf.size)) + 1 :].sum())
        if beyond > NEGLIGIBLE:
            found.append(f"the batch is beyond the range of the step times {beyond:.2%} of the time")
        return tuple(found)

    @property
    def trust(self) -> Trust:
        """Of batch, mean TPOT and ITL: exact without KV reads and full batches (fluid-step limit).

        Percentiles of a request's TPOT, of the wait for a place and of KV carry a trust of their own.
        """
        return Trust.APPROXIMATE if self.notes else Trust.EXACT
