"""The problem of a plan with its inputs off by known factors, and the same instances in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pdplan.latency.model import LatencyModel
from pdplan.planner.evaluate import Evaluator
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.planner.stations import request_overhead_s
from pdplan.serving.demand import ClassDemand
from pdplan.trust import Trust


@dataclass(frozen=True, eq=False, slots=True)
class ScaledLatency:
    """Step times of a model times a factor each for prefill and decode [-]; host time goes with prefill."""

    model: LatencyModel
    prefill: float
    decode: float

    @property
    def trust(self) -> Trust:
        """As the model's."""
        return self.model.trust

    @property
    def source(self) -> str:
        """As the model's."""
        return self.model.source

    @property
    def prefill_range(self) -> tuple[float, float]:
        """As the model's."""
        return self.model.prefill_range

    @property
    def decode_range(self) -> tuple[float, float]:
        """As the model's."""
        return self.model.decode_range

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time of one prefill step [s]."""
        return self.prefill * self.model.prefill_step_s(new_tokens, attention_tokens_sq)

    def decode_step_s(self, batch: Any, context_tokens: Any) -> Any:
        """Time of one decode step [s]."""
        return self.decode * self.model.decode_step_s(batch, context_tokens)

    def mixed_step_s(
        self, batch: Any, context_tokens: Any, chunk_tokens: Any, chunk_attention_tokens_sq: Any
    ) -> Any:
        """Time of a step with both: the decode alone by its factor, what the chunk adds by the other [s]."""
        alone = self.model.decode_step_s(batch, context_tokens)
        both = self.model.mixed_step_s(batch, context_tokens, chunk_tokens, chunk_attention_tokens_sq)
        return self.decode * alone + self.prefill * (both - alone)

    def request_overhead_s(self, prompt_tokens: Any) -> Any:
        """Host time of a request before its prefill [s]."""
        return self.prefill * request_overhead_s(self.model, np.asarray(prompt_tokens, dtype=float))


@dataclass(frozen=True, eq=False)
class DoubtedProblem:
    """One sample: the problem as it may turn out, and the instances of the plan in it."""

    evaluator: Evaluator
    prefill: InstanceOption
    decode: InstanceOption


def doubted(
    problem: Problem, prefill: InstanceOption, decode: InstanceOption, factors: Mapping[str, float]
) -> DoubtedProblem:
    """Return the problem with every input multiplied by its factor.

    The step factor divides decode times, so its factor joins theirs.
    """
    prompt, output = factors["prompt_tokens"], factors["output_tokens"]
    traffic = tuple(
        replace(t, demand=scaled_demand(t.demand, factors["rate"], prompt, output)) for t in problem.traffic
    )
    other = replace(problem, traffic=traffic)
    if prompt == output == 1.0:  # lengths as they were: what was computed of them is kept
        other.__dict__["decode_work"] = problem.decode_work
    slower = factors["decode_time"] / factors["step_factor"]

    def instance(option: InstanceOption) -> InstanceOption:
        latency = ScaledLatency(option.latency, factors["prefill_time"], slower)
        return replace(option, latency=latency, link_bytes_per_s=option.link_bytes_per_s * factors["link"])

    return DoubtedProblem(Evaluator(other), instance(prefill), instance(decode))


def scaled_demand(demand: ClassDemand, rate: float, prompt: float, output: float) -> ClassDemand:
    """Return a class with its rate and lengths multiplied.

    Requests of one output token keep it, others keep two at least; prompts keep one token at least, and one
    that is not cached.

    Examples
    --------
    >>> d = ClassDemand("a", 2.0, np.array([100.0, 50.0]), np.array([1.0, 20.0]), np.array([0.5, 0.5]))
    >>> e = scaled_demand(d, 1.5, 2.0, 0.5)
    >>> e.arrival_rate, e.prompt_tokens.tolist(), e.output_tokens.tolist()
    (3.0, [200.0, 100.0], [1.0, 10.0])
    """
    if prompt == output == 1.0:
        return replace(demand, arrival_rate=demand.arrival_rate * rate)
    prompts = np.where(demand.prompt_tokens > 0, np.maximum(demand.prompt_tokens * prompt, 1.0), 0.0)
    outputs = np.where(demand.output_tokens > 1, np.maximum(demand.output_tokens * output, 2.0), 1.0)
    cached = demand.cached_tokens
    if cached is not None:
        cached = np.maximum(np.minimum(cached * prompt, prompts - 1.0), 0.0)
    return replace(
        demand,
        arrival_rate=demand.arrival_rate * rate,
        prompt_tokens=prompts,
        output_tokens=outputs,
        cached_tokens=cached,
    )
