"""A cheap lower bound of a colocated fleet: prompts alone, in chunks at their best."""

from __future__ import annotations

import math

import numpy as np

from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.serving.colocated_mix import mix_lengths
from pdplan.serving.decode_step import ModelStep

#: Shares of a full chunk at which a token may be at its cheapest.
_SHARES = np.array([0.125, 0.25, 0.5, 1.0])


def least_instances(problem: Problem, option: InstanceOption) -> int | None:
    """Return a number of chunked instances below which prompts alone pass the utilisation limit.

    Decodes only add to an iteration and take room from its chunk: with them a prompt token takes no less.
    1 for engines that do not chunk. None where a request that decodes alone is slower than a TPOT objective:
    the mean, which both ends of every bracket reach, is no shorter.
    """
    scenario = problem.scenario
    if scenario.colocated.discipline != "chunked":
        return 1
    lengths = mix_lengths(tuple(problem.demands))
    if lengths.work is not None:
        step = ModelStep.of(option.latency, lengths.work.mean_context, scenario.decode.step_factor)
        alone_s = float(step.at(1.0)) / lengths.work.tokens_per_step
        paces = [t.limit_s for c in problem.traffic for t in c.slo.targets if t.metric == "tpot"]
        if alone_s > min(paces, default=math.inf):
            return None
    new, cached = lengths.new_tokens, lengths.cached_tokens
    mean = float(lengths.weight @ new)
    pairs = float(lengths.weight @ ((new + cached) ** 2 - cached**2)) / mean
    tokens = float(scenario.colocated.chunk_tokens) * _SHARES
    step_s = np.asarray(option.latency.mixed_step_s(0.0, 0.0, tokens, tokens * pairs), dtype=float)
    rate = sum(d.arrival_rate for d in problem.demands)
    load = rate * mean * float((step_s / tokens).min())
    return max(1, math.ceil(load / scenario.max_utilization - 1e-9))
