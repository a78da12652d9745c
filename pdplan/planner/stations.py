"""The two pools of a disaggregated fleet, built from a problem: thin joints to ``pdplan.serving``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pdplan.latency.model import request_overhead_s
from pdplan.latency.validity import validity_notes
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Array, Problem
from pdplan.serving.decode import StationaryBatch
from pdplan.serving.decode_step import ModelStep
from pdplan.serving.delays import Delay, Discrete
from pdplan.serving.demand import ClassDemand
from pdplan.serving.prefill_station import PrefillStation
from pdplan.serving.request_tpot import RequestTpot, averaging_factor
from pdplan.serving.roots import decreasing_root
from pdplan.spec.slo import Target
from pdplan.trust import Trust


@dataclass(frozen=True, eq=False)
class PrefillSide:
    """``count`` prefill instances of one kind behind the scenario's router; ``idle``: nobody ever waits."""

    problem: Problem
    option: InstanceOption
    count: int
    idle: bool = False

    @cached_property
    def station(self) -> PrefillStation:
        """The queueing station."""
        pool = self.problem.scenario.prefill
        return PrefillStation(
            self.problem.demands,
            self.option.latency,
            self.count,
            router=pool.router,
            discipline=pool.discipline,
            max_batch_tokens=pool.max_batch_tokens,
            pipeline_stages=self.option.pp,
        )

    @property
    def utilization(self) -> float:
        """Offered over possible."""
        return float(self.station.utilization)

    @cached_property
    def waits(self) -> dict[str, Delay]:
        """Parts of TTFT in this pool that do not depend on the request's own lengths."""
        if not self.idle:
            return self.station.waits()
        # Only what mm1 counts as service stays: its prefill time is random.
        return {k: v for k, v in self.station.waits().items() if k != "queue"} if self._mm1 else {}

    @property
    def _mm1(self) -> bool:
        return self.problem.scenario.prefill.discipline == "mm1"

    @cached_property
    def _fixed(self) -> dict[str, dict[str, Array]]:
        return {}

    def fixed_s(self, demand: ClassDemand) -> dict[str, Array]:
        """Parts of TTFT in this pool that a class's lengths fix, at each atom [s]."""
        if demand.name not in self._fixed:
            overhead = request_overhead_s(self.option.latency, demand.prompt_tokens)
            self._fixed[demand.name] = {"overhead": overhead, **self.station.fixed_s(demand.name)}
        return self._fixed[demand.name]

    def prefill_s(self, demand: ClassDemand) -> Array:
        """Prefill time of a prompt alone, at each atom of a class or of the mix [s]."""
        known = any(d.name == demand.name for d in self.problem.demands)
        return self.station.prefill_s(demand.name if known else None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the reader must know of this pool."""
        longest = float(self.problem.demand.prompt_tokens.max())
        return validity_notes(self.option.latency, longest_prompt_tokens=longest)


@dataclass(frozen=True, eq=False)
class DecodeSide:
    """``count`` decode instances of one kind; requests are dealt evenly."""

    problem: Problem
    option: InstanceOption
    count: int

    @cached_property
    def law(self) -> StationaryBatch:
        """The law of one instance."""
        pool = self.problem.scenario.decode
        work = self.problem.decode_work
        return StationaryBatch(
            self.problem.demand.arrival_rate / self.count,
            work,
            ModelStep.of(self.option.latency, work.mean_context, pool.step_factor),
            pool.max_batch,
            self.option.kv_capacity_tokens,
        )

    @property
    def utilization(self) -> float:
        """Offered over possible."""
        return self.law.utilization

    @property
    def trust(self) -> Trust:
        """Trust of the decode law."""
        return self.law.trust

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the reader must know of this pool."""
        context = self.problem.decode_work.mean_context
        beyond = validity_notes(
            self.option.latency,
            mean_context_tokens=context,
            context_sum_tokens=context * max(self.law.mean_batch, 1.0),
        )
        return (*self.law.notes, *beyond)

    @property
    def admission(self) -> Any:
        """Law of the wait for a place in the batch."""
        return self.law.admission

    @property
    def join(self) -> Any:
        """Law of the wait for the end of the step under way."""
        return self.law.join

    @cached_property
    def first_step(self) -> Discrete:
        """Law of the first decode step."""
        return Discrete(self.law.itl.value, self.law.itl.weight / self.law.itl.weight.sum(), self.trust)

    @property
    def kv_p99_share(self) -> float | None:
        """99th percentile of KV in use over KV capacity, if the capacity is known."""
        if self.option.kv_capacity_tokens is None:
            return None
        return float(self.law.kv.quantile(0.99)) / self.option.kv_capacity_tokens

    @cached_property
    def _tpot_laws(self) -> dict[str, TpotLaw]:
        return {}

    def tpot(self, demand: ClassDemand, extra_s: Array | None = None) -> TpotLaw:
        """Law of TPOT over the requests of one class, in steps shared with all classes.

        ``extra_s``: time at each atom between the first token and the first decode step [s], where prefill
        emits the first token.
        """
        key = f"{demand.name} {0.0 if extra_s is None else float(extra_s.sum())}"
        if key not in self._tpot_laws:
            law = RequestTpot.of(self.law.itl, self.problem.work_of(demand), *self.law.step_tangent)
            self._tpot_laws[key] = TpotLaw(law, demand, extra_s, self.trust, self.law.step_tangent)
        return self._tpot_laws[key]

    def value(self, demand: ClassDemand, target: Target) -> float:
        """TPOT or ITL of one class at the statistic of a target, decode alone [s]."""
        if target.metric == "itl":
            return self.itl_value(target.probability)
        return self.tpot(demand).value(target.probability)

    def itl_value(self, p: float | None) -> float:
        """Mean or p-quantile of the gap between steps [s]."""
        return self.law.mean_itl_s if p is None else float(self.law.itl_quantile_s(p))


@dataclass(frozen=True, eq=False)
class TpotLaw:
    """TPOT over the requests of one class that have two output tokens or more.

    Without ``extra_s`` it is the law of decode steps. With it, ``extra/(out - 1)`` comes on top: transfer and
    admission fall between the first and the second token; its randomness is taken at the mean (approximate).
    """

    steps: RequestTpot
    demand: ClassDemand
    extra_s: Array | None
    trust: Trust
    step_tangent: tuple[float, float]

    def met_given(self, limit_s: float) -> Array:
        """P(TPOT <= limit) at each atom [-]; 1 where there is one output token, which has no TPOT."""
        out = self.demand.output_tokens
        several = out > 1
        gaps = np.where(several, out - 1.0, 1.0)
        per_step = self.steps.tokens_per_step
        left = limit_s - (0.0 if self.extra_s is None else self.extra_s / gaps)
        shrink = np.sqrt(averaging_factor(gaps / per_step, *self.step_tangent))
        mean = self.steps.itl.mean
        slower = self.steps.itl.sf(mean + (left * per_step - mean) / shrink)
        return np.where(several, 1.0 - slower, 1.0)

    @cached_property
    def _added(self) -> tuple[Array, Array]:
        """What each atom adds, and its weight among requests with a TPOT; few values, by rank."""
        several = self.demand.output_tokens > 1
        if self.extra_s is None or not several.any():
            return np.zeros(1), np.ones(1)
        added = self.extra_s[several] / (self.demand.output_tokens[several] - 1.0)
        weight = self.demand.weight[several] / self.demand.weight[several].sum()
        order = np.argsort(added)
        groups = np.array_split(order, min(48, order.size))
        mass = np.array([weight[g].sum() for g in groups])
        values = np.array([float(added[g] @ weight[g]) for g in groups]) / np.where(mass > 0, mass, 1.0)
        return values[mass > 0], mass[mass > 0]

    @property
    def mean_s(self) -> float:
        """Mean TPOT [s]."""
        values, weight = self._added
        return self.steps.mean_s + float(values @ weight)

    def sf(self, x: Any) -> Any:
        """P(TPOT > x)."""
        values, weight = self._added
        x = np.asarray(x, dtype=float)
        return np.asarray(self.steps.sf(x[..., None] - values)) @ weight

    def quantile_s(self, p: Any) -> Any:
        """p-quantile over requests [s]."""
        if self.extra_s is None:
            return self.steps.quantile(p)
        if np.ndim(p) > 0:
            return np.array([self.quantile_s(float(q)) for q in np.ravel(p)])
        values, _ = self._added
        low = float(self.steps.quantile(0.0))
        high = float(self.steps.itl.value[-1]) / self.steps.tokens_per_step + float(values[-1])
        return decreasing_root(lambda x: float(self.sf(x)) - (1 - p), low, high, rtol=1e-6)

    def value(self, p: float | None) -> float:
        """Mean or p-quantile [s]."""
        return self.mean_s if p is None else float(self.quantile_s(p))
