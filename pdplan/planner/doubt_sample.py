"""The problem of a plan with its inputs off by known factors, and the same instances in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pdplan.latency.scaled import ScaledLatency
from pdplan.planner.evaluate import Evaluator
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.serving.demand import ClassDemand


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
        prefill_time = factors["prefill_time"]  # host time goes with prefill
        latency = ScaledLatency(option.latency, prefill_time, slower, overhead=prefill_time)
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
