"""A problem with one of its inputs at another value, everything else as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from pdplan.latency.scaled import ScaledLatency
from pdplan.planner.problem import Problem
from pdplan.serving.demand import ClassDemand
from pdplan.spec.slo import Limits


def scaled(problem: Problem, factor: float) -> Problem:
    """Return the problem at ``factor`` times every rate."""
    return problem.with_same_lengths(
        tuple(
            replace(t, demand=replace(t.demand, arrival_rate=t.demand.arrival_rate * factor))
            for t in problem.traffic
        )
    )


def at_class_rates(problem: Problem, rates: Sequence[float]) -> Problem:
    """Return the problem at other rates of its classes; classes without requests are left out [1/s]."""
    traffic = tuple(
        replace(t, demand=replace(t.demand, arrival_rate=r))
        for t, r in zip(problem.traffic, rates, strict=True)
        if r > 0
    )
    alone = len(problem.traffic) == 1  # the mix of lengths is that of the one class at any rate
    return problem.with_same_lengths(traffic) if alone else problem.with_same_instances(traffic)


def with_demands(problem: Problem, change: Callable[[ClassDemand], ClassDemand]) -> Problem:
    """Return the problem with the demand of every class changed."""
    return problem.with_traffic(tuple(replace(t, demand=change(t.demand)) for t in problem.traffic))


def with_prompts(problem: Problem, factor: float) -> Problem:
    """Return the problem with every prompt longer or shorter by one factor; see `scaled_prompts`."""
    return with_demands(problem, lambda d: scaled_prompts(d, factor))


def with_outputs(problem: Problem, factor: float) -> Problem:
    """Return the problem with every output longer or shorter by one factor; see `scaled_outputs`."""
    return with_demands(problem, lambda d: scaled_outputs(d, factor))


def scaled_prompts(demand: ClassDemand, factor: float) -> ClassDemand:
    """Return a class with prompts times a factor; hits stay a share of them.

    A prompt keeps one token at least, and one that is not cached.

    Examples
    --------
    >>> d = ClassDemand("a", 2.0, np.array([100.0, 1.0]), np.ones(2), np.array([0.5, 0.5]))
    >>> scaled_prompts(d, 0.5).prompt_tokens.tolist()
    [50.0, 1.0]
    """
    if factor == 1.0:
        return demand
    prompt = np.where(demand.prompt_tokens > 0, np.maximum(factor * demand.prompt_tokens, 1.0), 0.0)
    cached = demand.cached_tokens
    kept = None if cached is None else np.maximum(np.minimum(factor * cached, prompt - 1.0), 0.0)
    return replace(demand, prompt_tokens=prompt, cached_tokens=kept)


def scaled_outputs(demand: ClassDemand, factor: float) -> ClassDemand:
    """Return a class with outputs times a factor.

    A request of one token keeps it; one of two or more keeps two, otherwise its TPOT would be undefined.

    Examples
    --------
    >>> d = ClassDemand("a", 2.0, np.ones(3), np.array([1.0, 2.0, 20.0]), np.array([0.5, 0.3, 0.2]))
    >>> scaled_outputs(d, 0.5).output_tokens.tolist(), scaled_outputs(d, 2.0).output_tokens.tolist()
    ([1.0, 2.0, 10.0], [1.0, 4.0, 40.0])
    """
    if factor == 1.0:
        return demand
    out = demand.output_tokens
    longer = np.where(out > 1.0, np.maximum(factor * out, np.minimum(out, 2.0)), out)
    return replace(demand, output_tokens=longer)


def with_link(problem: Problem, factor: float) -> Problem:
    """Return the problem with times the bandwidth of the link, its software ceiling in proportion."""
    link = problem.link
    cap = link.software_cap_bytes_per_s
    wider = link.model_copy(
        update={
            "bytes_per_s": factor * link.bytes_per_s,
            "software_cap_bytes_per_s": None if cap is None else factor * cap,
        }
    )
    return problem.with_instances(lambda o: replace(o, link_bytes_per_s=factor * o.link_bytes_per_s), wider)


def with_steps(problem: Problem, *, prefill: float = 1.0, decode: float = 1.0) -> Problem:
    """Return the problem with steps that take so many times as long, in every pool."""
    return problem.with_instances(lambda o: replace(o, latency=ScaledLatency(o.latency, prefill, decode)))


def with_targets(problem: Problem, metric: Literal["ttft", "tpot"], factor: float) -> Problem:
    """Return the problem with every limit on a metric times a factor."""
    return problem.with_same_lengths(
        tuple(
            replace(t, slo=t.slo.model_copy(update={metric: _times(getattr(t.slo, metric), factor)}))
            for t in problem.traffic
        )
    )


def _times(limits: Limits, factor: float) -> Limits:
    if isinstance(limits, dict):
        return {k: v * factor for k, v in limits.items()}
    return None if limits is None else limits * factor
