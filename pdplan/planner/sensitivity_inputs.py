"""The inputs of a plan that may be off: the problem with each of them scaled, everything else as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from pdplan.latency.scaled import ScaledLatency
from pdplan.planner.break_even_inputs import at_link, scaled_outputs
from pdplan.planner.need import scaled
from pdplan.planner.problem import Problem
from pdplan.serving.demand import ClassDemand


@dataclass(frozen=True, slots=True)
class Lever:
    """One input of a plan.

    ``at`` gives the problem with the input at this factor of its value. ``served``: whether the latencies of
    a given fleet depend on it; objectives only change what is bought. ``harder``: the direction, ``up`` or
    ``down``, in which objectives can only become harder to meet; None for lengths, which also shape the
    percentiles.
    """

    name: str
    words: str
    at: Callable[[Problem, float], Problem]
    harder: Literal["up", "down"] | None = None
    served: bool = True


def _with_steps(problem: Problem, *, prefill: float = 1.0, decode: float = 1.0) -> Problem:
    """Return the problem with slower or faster steps in both pools."""
    problem.options("prefill")
    problem.options("decode")
    other = replace(problem)
    other.__dict__["_options"] = {
        role: ([replace(o, latency=ScaledLatency(o.latency, prefill, decode)) for o in options], rejected)
        for role, (options, rejected) in problem._options.items()
    }
    other.__dict__["decode_work"] = problem.decode_work
    return other


def _keep(problem: Problem, other: Problem) -> Problem:
    other.__dict__["_options"] = problem._options
    other.__dict__["decode_work"] = problem.decode_work
    return other


def _with_lengths(problem: Problem, change: Callable[[ClassDemand], ClassDemand]) -> Problem:
    traffic = tuple(replace(t, demand=change(t.demand)) for t in problem.traffic)
    other = replace(problem, traffic=traffic)
    other.__dict__["_options"] = problem._options
    return other


def _longer_prompt(demand: ClassDemand, factor: float) -> ClassDemand:
    prompt = np.maximum(factor * demand.prompt_tokens, 1.0)
    cached = demand.cached_tokens
    kept = None if cached is None else np.minimum(factor * cached, prompt - 1.0)
    return replace(demand, prompt_tokens=prompt, cached_tokens=kept)


def _longer_output(demand: ClassDemand, factor: float) -> ClassDemand:
    return replace(demand, output_tokens=scaled_outputs(demand, factor))


def _at_targets(problem: Problem, metric: str, factor: float) -> Problem:
    def scaled_limits(limits: Any) -> Any:
        if isinstance(limits, dict):
            return {k: v * factor for k, v in limits.items()}
        return None if limits is None else limits * factor

    traffic = tuple(
        replace(t, slo=t.slo.model_copy(update={metric: scaled_limits(getattr(t.slo, metric))}))
        for t in problem.traffic
    )
    return _keep(problem, replace(problem, traffic=traffic))


#: Every input, in the order of documents. A step factor is one over the decode step time.
LEVERS: Final[tuple[Lever, ...]] = (
    Lever("rate", "arrival rate", scaled, "up"),
    Lever("prompt_tokens", "prompt length", lambda p, f: _with_lengths(p, lambda d: _longer_prompt(d, f))),
    Lever("output_tokens", "output length", lambda p, f: _with_lengths(p, lambda d: _longer_output(d, f))),
    Lever("prefill_step", "prefill step time", lambda p, f: _with_steps(p, prefill=f), "up"),
    Lever("decode_step", "decode step time", lambda p, f: _with_steps(p, decode=f), "up"),
    Lever("link", "link bandwidth", lambda p, f: at_link(p, f * p.link.bytes_per_s), "down"),
    Lever("ttft_target", "TTFT targets", lambda p, f: _at_targets(p, "ttft", f), "down", served=False),
    Lever("tpot_target", "TPOT targets", lambda p, f: _at_targets(p, "tpot", f), "down", served=False),
)
