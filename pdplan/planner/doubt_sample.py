"""The problem of a plan with its inputs off by known factors, and the same instances in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pdplan.latency.scaled import ScaledLatency
from pdplan.planner.evaluate import Evaluator
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.planner.vary import scaled, with_outputs, with_prompts


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
    other = scaled(problem, factors["rate"])
    prompt, output = factors["prompt_tokens"], factors["output_tokens"]
    if not prompt == output == 1.0:
        other = with_outputs(with_prompts(other, prompt), output)
    slower = factors["decode_time"] / factors["step_factor"]

    def instance(option: InstanceOption) -> InstanceOption:
        prefill_time = factors["prefill_time"]  # host time goes with prefill
        latency = ScaledLatency(option.latency, prefill_time, slower, overhead=prefill_time)
        return replace(option, latency=latency, link_bytes_per_s=option.link_bytes_per_s * factors["link"])

    return DoubtedProblem(Evaluator(other), instance(prefill), instance(decode))
