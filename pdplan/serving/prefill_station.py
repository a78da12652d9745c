"""The prefill pool as a station: router, discipline, pipeline, prefix hits and classes to one law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from pdplan.checks import require_positive, require_stable
from pdplan.errors import InputError, UnknownNameError, did_you_mean
from pdplan.latency.model import LatencyModel, prompt_prefill_s
from pdplan.queueing.service import Atoms
from pdplan.queueing.service_continuous import Exponential
from pdplan.serving.composition import TtftLaw, ttft_law
from pdplan.serving.delays import Constant, Delay, as_delay
from pdplan.serving.demand import ClassDemand, pooled, total_rate
from pdplan.serving.pipeline_wait import Pipeline, Stretched
from pdplan.serving.prefill_batched import BatchedWait, batched_law
from pdplan.serving.prefill_bounds import wait_quantile_bounds_s
from pdplan.serving.prefill_queue import (
    Array,
    Router,
    mm1_law,
    one_at_a_time_law,
    require_router,
    service_atoms,
)
from pdplan.serving.rank_chain import RankChain
from pdplan.serving.rank_wait import RankedPrefill
from pdplan.serving.ttft_bounds import Envelope
from pdplan.trust import Trust, weakest

Discipline = Literal["one_at_a_time", "batched", "mm1"]
DISCIPLINES: tuple[Discipline, ...] = get_args(Discipline)


@dataclass(frozen=True, slots=True)
class ServiceDelay:
    """A service time of a queueing law, seen as a delay."""

    service: Any
    trust: Trust = Trust.APPROXIMATE

    @property
    def mean_s(self) -> float:
        """Mean [s]."""
        return float(self.service.mean_s)

    def sf(self, t: Any) -> Any:
        """P(S > t)."""
        return np.asarray(self.service.sf(np.asarray(t, dtype=float)), dtype=float)

    def high_s(self, tail: float) -> float:
        """Return the (1 - tail)-quantile [s]."""
        return float(self.service.quantile_s(1.0 - tail))


@dataclass(frozen=True, eq=False)
class PrefillStation:
    """A pool of prefill instances.

    Parameters
    ----------
    demands : sequence of ClassDemand
        The classes, with the rates offered to the whole pool; ``cached_tokens`` are the prefix hits.
    model : LatencyModel
        Step times of one instance, all its TP x PP ranks together.
    instances : int
        n [-].
    router : str
        ``random``, ``round_robin``, ``least_work``; ``jsq`` and ``power_of_two`` answer with a bracket.
    discipline : str
        ``one_at_a_time``: a step per prompt. ``batched``: waiting prompts share steps up to the budget.
        ``mm1``: M/M/1 calibrated to the model's mean (arXiv 2603.04716): its percentiles are conservative.
    max_batch_tokens : float
        Budget of a step when batched [tok].
    pipeline_stages : int
        PP: equal stages, each 1/PP of the step; a prompt passes all, the next enters after one.
    overhead_s : float
        Time before prefill that belongs to the request, not to the instance [s].

    Raises
    ------
    InputError, UnknownNameError
        Values out of range, unknown names.
    UnstableError
        More work than the pool can do.

    Notes
    -----
    With PP the queue is that of one stage; exact for equal prompts (DistServe, OSDI 2024, eq. 2). Variable
    ones, one at a time, hold each other up in the stages (`pipeline_wait`, approximate); when batched, steps
    are taken as equal, which is optimistic. With attention ranks: `rank_wait`.

    Examples
    --------
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.0, 2e-4), (DecodeFit(0.01, 0.0),), (1, 1e5), (1, 512), "example")
    >>> chat = ClassDemand("chat", 3.0, np.array([1000.0]), np.array([10.0]), np.array([1.0]))
    >>> s = PrefillStation([chat], model)
    >>> round(s.utilization, 6), round(s.mean_wait_s, 6), round(s.ttft().mean_s, 6)    # rho D/(2(1-rho)), + D
    (0.6, 0.15, 0.35)
    """

    demands: Sequence[ClassDemand]
    model: LatencyModel
    instances: int = 1
    router: Router = "random"
    discipline: Discipline = "one_at_a_time"
    max_batch_tokens: float = 8192.0
    pipeline_stages: int = 1
    overhead_s: float = 0.0

    def __post_init__(self) -> None:
        """Check names, numbers and stability."""
        require_positive("instances", self.instances)
        require_positive("pipeline_stages", self.pipeline_stages)
        require_positive("max_batch_tokens", self.max_batch_tokens, "tok")
        require_positive("overhead_s", self.overhead_s, "s", zero_ok=True)
        require_router(self.router)
        if self.discipline not in DISCIPLINES:
            raise UnknownNameError(
                f"prefill discipline {self.discipline!r} is not known: use {', '.join(DISCIPLINES)}"
                f"{did_you_mean(self.discipline, DISCIPLINES)}"
            )
        require_stable(self.utilization, what="the prefill pool")

    # ------------------------------------------------------------------ work

    @cached_property
    def mix(self) -> ClassDemand:
        """All classes as one."""
        return pooled(self.demands)

    @property
    def arrival_rate(self) -> float:
        """Prompts per second at the pool [1/s]."""
        return total_rate(self.demands)

    @property
    def ranks(self) -> int:
        """Attention ranks of an instance with queues of their own; 1 where prompts are not batched [-]."""
        return int(getattr(self.model, "dp_attention", 1)) if self.discipline == "batched" else 1

    def prefill_s(self, name: str | None = None) -> Array:
        """Prefill time of each length atom of a class (no name: of the mix), alone in an instance [s]."""
        demand = self._class(name)
        # at least one token is always computed, whatever the prefix cache holds
        cached = np.minimum(demand.cached, np.maximum(demand.prompt_tokens - 1.0, 0.0))
        if self.ranks > 1:
            return self.ranked.alone_s(demand.prompt_tokens - cached, cached)
        return np.asarray(prompt_prefill_s(self.model, demand.prompt_tokens, cached), dtype=float)

    @cached_property
    def service(self) -> Atoms:
        """Time that a prompt occupies the (first stage of the) instance, over all classes."""
        return service_atoms(self.prefill_s() / self.pipeline_stages, self.mix.weight)

    @cached_property
    def _new_tokens(self) -> Array:
        return np.maximum(self.mix.prompt_tokens - self.mix.cached, 1.0)

    @cached_property
    def _attention_per_token(self) -> float:
        squares = self.mix.prompt_tokens**2 - self.mix.cached**2
        return float(self.mix.weight @ squares) / float(self.mix.weight @ self._new_tokens)

    def _batch_step_s(self, tokens: Array) -> Array:
        """A step of this many prompt tokens, their attention at its mean, per pipeline stage [s]."""
        step = self.model.prefill_step_s(tokens, tokens * self._attention_per_token)
        return np.asarray(step, dtype=float) / self.pipeline_stages

    @cached_property
    def work_per_prompt_s(self) -> float:
        """Instance time that a prompt takes when the pool is full [s]."""
        if self.discipline == "mm1":
            return self.service.mean_s
        if self.discipline == "one_at_a_time":
            return self.pipeline.cycle_s
        return float(self.mix.weight @ self._new_tokens) * self.full_step_s / self.max_batch_tokens

    @cached_property
    def full_step_s(self) -> float:
        """Time of a step that uses all of the budget, per pipeline stage; with ranks its mean [s]."""
        if self.ranks > 1:
            return self.ranked.full_step_s
        return float(self._batch_step_s(np.array([self.max_batch_tokens]))[0])

    @property
    def utilization(self) -> float:
        """Work offered over capacity; for ``batched``, tokens over those of full steps [-]."""
        return self.arrival_rate * self.work_per_prompt_s / self.instances

    @property
    def max_rate(self) -> float:
        """Arrival rate at which the pool is full [1/s]."""
        return self.instances / self.work_per_prompt_s

    # ------------------------------------------------------------------ waiting

    @cached_property
    def queue(self) -> Any:
        """Law of the wait before prefill, the same for every class: a waiting law (see `prefill_queue`)."""
        if self.discipline == "mm1":
            return mm1_law(self.router, self.arrival_rate, self.service.mean_s, self.instances)
        if self.discipline == "one_at_a_time" and self.unequal_stages:
            cycle = self.pipeline.cycle_law()
            law = one_at_a_time_law(self.router, self.arrival_rate, cycle, self.instances)
            return Stretched(law, self.pipeline.stretch)
        if self.discipline == "one_at_a_time":
            return one_at_a_time_law(self.router, self.arrival_rate, self.service, self.instances)
        if self.ranks > 1:
            return self.ranked
        return batched_law(self.router, self.batching, self.service, self.instances)

    @cached_property
    def batching(self) -> BatchedWait:
        """One batching instance under random routing."""
        rate = self.arrival_rate / self.instances
        return BatchedWait(rate, self._new_tokens, self.mix.weight, self.max_batch_tokens, self._batch_step_s)

    @property
    def unequal_stages(self) -> bool:
        """Whether prompts of different lengths follow each other, one by one, through a pipeline."""
        return self.pipeline_stages > 1 and self.discipline == "one_at_a_time" and self.service.scv > 1e-9

    @cached_property
    def pipeline(self) -> Pipeline:
        """The stages of one instance that takes prompts one at a time."""
        gaps = self.instances if self.router == "round_robin" else 1
        return Pipeline(self.arrival_rate / self.instances, self.service, self.pipeline_stages, gaps)

    @cached_property
    def ranked(self) -> RankedPrefill:
        """One instance of several attention ranks; routers that look at the load do no worse than in turn."""
        stages = self.pipeline_stages

        def step_s(tokens: Any, squares: Any, together: Any) -> Any:
            return self.model.rank_prefill_step_s(tokens, squares, together) / stages  # type: ignore[attr-defined]

        return RankedPrefill(
            self.arrival_rate / self.instances,
            self._new_tokens,
            self.mix.prompt_tokens - self._new_tokens,
            self.mix.weight,
            self.max_batch_tokens,
            int(getattr(self.model, "dp_attention", 1)),
            step_s,
            1 if self.router == "random" else self.instances * int(getattr(self.model, "dp_attention", 1)),
            stages,
        )

    @cached_property
    def companions(self) -> float:
        """Mean number of other prompts that end their prefill in the same step as a given one [-].

        They send their KV at one moment. A token's step carries E Q^2 / E Q tokens (Q: tokens of a step), of
        which E n^2 / E n are its own prompt's.
        """
        if self.discipline != "batched":
            return 0.0
        chain = self.ranked.chain if self.ranks > 1 else self.batching.chain
        carried = chain.carried if isinstance(chain, RankChain) else chain.carried_pmf
        units = np.arange(carried.size)
        step = float(carried @ units**2) / float(carried @ units)
        # on the chain's own lattice: prompts far below its unit would else seem to have company when alone
        lengths = np.arange(chain.prompt_pmf.size)
        mean = float(chain.prompt_pmf @ lengths)
        own = float(chain.prompt_pmf @ lengths**2) / mean
        return self.ranks * max(0.0, step - own) / mean

    @property
    def mean_wait_s(self) -> float:
        """Mean wait before prefill [s]."""
        return float(self.queue.mean_wait_s)

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait before prefill [s]."""
        return self.queue.wait_quantile_s(p)

    def wait_quantile_bounds_s(self, p: float) -> tuple[float, float]:
        """Cheap bracket of the p-quantile of the wait, for searches [s]; see `prefill_bounds`."""
        return wait_quantile_bounds_s(self, p)

    def envelope(self) -> Envelope | None:
        """Cheap two-sided tail of the wait for `ttft_bounds`; None where none is proved.

        For one prompt at a time under random and round-robin routing.
        """
        if self.discipline != "one_at_a_time" or self.router not in ("random", "round_robin"):
            return None
        if self.unequal_stages:
            return None
        gaps = self.instances if self.router == "round_robin" else 1
        return Envelope.of(self.arrival_rate / self.instances, self.service, gaps=gaps)

    # ------------------------------------------------------------------ the part of TTFT

    def waits(self) -> dict[str, Delay]:
        """Delays that do not depend on the request's own length, for `composition.ttft_law`."""
        delays: dict[str, Delay] = {"queue": as_delay(self.queue)}
        if self.discipline == "mm1":
            delays["prefill"] = ServiceDelay(Exponential(self.service.mean_s * self.pipeline_stages))
        if self.overhead_s > 0:
            delays["overhead"] = Constant(self.overhead_s)
        return delays

    def fixed_s(self, name: str | None = None) -> dict[str, Array]:
        """Times fixed by the length atoms of a class, for `composition.ttft_law` [s]."""
        if self.ranks > 1:
            demand = self._class(name)
            cached = np.minimum(demand.cached, np.maximum(demand.prompt_tokens - 1.0, 0.0))
            return {"prefill": self.ranked.own_s(demand.prompt_tokens - cached, cached)}
        if self.unequal_stages:
            return {"prefill": self.pipeline.passing_s(self.prefill_s(name) / self.pipeline_stages)}
        return {} if self.discipline == "mm1" else {"prefill": self.prefill_s(name)}

    def ttft(self, name: str | None = None) -> TtftLaw:
        """Law of the prefill part of TTFT of a class (of all requests without a name)."""
        return ttft_law(self.waits(), self.fixed_s(name), self._class(name).weight)

    @property
    def trust(self) -> Trust:
        """That of the queue; approximate for ``mm1``, ``batched`` and pipelines of variable prompts."""
        exact_pipeline = self.pipeline_stages == 1 or self.service.scv == 0
        own = Trust.EXACT if self.discipline == "one_at_a_time" and exact_pipeline else Trust.APPROXIMATE
        return weakest(own, self.queue.trust)

    def with_instances(self, instances: int) -> PrefillStation:
        """Return the same pool with another number of instances."""
        return replace(self, instances=instances)

    def _class(self, name: str | None) -> ClassDemand:
        if name is None:
            return self.mix
        for demand in self.demands:
            if demand.name == name:
                return demand
        raise InputError(f"no class is called {name!r}{did_you_mean(name, [d.name for d in self.demands])}")
