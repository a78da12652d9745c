r"""A closed loop of equal requests (a benchmark with fixed lengths): users fall into step, and nobody waits.

Prompts that start together are spread by the first round of prefill and come back as far apart, so prefill
has no queue until it is full. A user asks again at the end of a decode step; with one decode instance all
times are therefore locked to its steps, and prefill and transfer last a whole number of them:

.. math:: N = X \left( t \left\lceil \frac{S + T}{t} \right\rceil + G\,t + Z \right)

With several instances the steps are not aligned: half a step on average.
"""

from __future__ import annotations

import math

from pdplan.serving.closed_fixed_point import closed_throughput
from pdplan.serving.closed_parts import ClosedFleet, ClosedParts

#: Spread of lengths, squared and relative, below which they pass for equal [-].
EQUAL = 1e-9


def is_locked(fleet: ClosedFleet) -> bool:
    """Whether requests are all alike and dealt so that they stay in step."""
    out, weight = fleet.demand.output_tokens, fleet.demand.weight
    mean = float(weight @ out)
    spread = float(weight @ (out - mean) ** 2) / mean**2
    dealt_evenly = fleet.router != "random" or fleet.prefill_instances == 1
    return fleet.prefill_scv < EQUAL and spread < EQUAL and dealt_evenly and fleet.users > 1


def solve_cycle(fleet: ClosedFleet) -> ClosedParts:
    """Solve the network of equal requests; see the module."""
    own = fleet.mean_prefill_s
    limit = fleet.prefill_instances / own
    if fleet.discipline == "batched":
        limit = _full_rate(fleet)
    cap = float(fleet.max_batch or math.inf)

    def step_at(x: float) -> float:
        most = min(cap, max(1.0, fleet.users / fleet.decode_instances))
        step_s = float(fleet.step.at(1.0))
        for _ in range(60):  # t grows with the batch, the batch with t: from below
            batch = min(max(1.0, x * fleet.steps * step_s / fleet.decode_instances), most)
            new = float(fleet.step.at(batch))
            if abs(new - step_s) < 1e-9 * step_s:
                break
            step_s = new
        return step_s

    def join_at(x: float, way_s: float) -> float:
        step_s = step_at(x)
        if fleet.decode_instances > 1 or fleet.think_s > 0:
            return 0.5 * step_s
        return math.ceil(way_s / step_s - 1e-6) * step_s - way_s

    def way(x: float) -> float:
        return _prefill_s(fleet, x) + fleet.mean_transfer_s

    def cycle(x: float) -> float:
        return way(x) + join_at(x, way(x)) + fleet.steps * step_at(x) + fleet.think_s

    most = float(min(cap, max(1.0, fleet.users / fleet.decode_instances)))
    decode_limit = fleet.decode_instances * most / (fleet.steps * float(fleet.step.at(most)))
    x = closed_throughput(fleet.users, cycle, min(limit, decode_limit))
    step_s, join = step_at(x), join_at(x, way(x))
    held = max(0.0, fleet.users / x - cycle(x)) if x >= min(limit, decode_limit) * (1 - 1e-6) else 0.0
    prefill_binds = limit <= decode_limit
    return ClosedParts(
        throughput=x,
        queue_s=_prefill_s(fleet, x) - own + (held if prefill_binds else 0.0),
        prefill_s=own,
        transfer_s=fleet.mean_transfer_s,
        admission_s=0.0 if prefill_binds else held,
        join_s=join,
        step_s=step_s,
        prefill_busy=min(1.0, x / limit),
    )


def _step_of(fleet: ClosedFleet, prompts: float) -> float:
    """Time of a prefill step of so many equal prompts [s]."""
    tokens = float(fleet.demand.prompt_tokens[0])
    cached = float(fleet.demand.cached[0])
    new = max(tokens - cached, 1.0)
    lasting = fleet.prefill_model.prefill_step_s(prompts * new, prompts * (tokens**2 - cached**2))
    return float(lasting)


def _most_prompts(fleet: ClosedFleet) -> int:
    new = max(float(fleet.demand.prompt_tokens[0] - fleet.demand.cached[0]), 1.0)
    return max(1, math.floor(fleet.max_batch_tokens / new + 1e-9))


def _full_rate(fleet: ClosedFleet) -> float:
    """Prompts per second of the pool in full steps [1/s]."""
    m = _most_prompts(fleet)
    return fleet.prefill_instances * fleet.pipeline_stages * m / _step_of(fleet, m)


def _prefill_s(fleet: ClosedFleet, throughput: float) -> float:
    """Time in the prefill pool at a throughput below its limit [s].

    Alone in its step, as long as steps of one prompt suffice; else a step takes in what has come during the
    last one: half a step of waiting, and a whole one.
    """
    own = fleet.mean_prefill_s
    each = throughput / (fleet.prefill_instances * fleet.pipeline_stages)
    if fleet.discipline != "batched" or each * own <= 1.0:
        return own
    low, high = 1.0, float(_most_prompts(fleet))
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if middle < each * _step_of(fleet, middle) else (low, middle)
    return 1.5 * _step_of(fleet, high)
