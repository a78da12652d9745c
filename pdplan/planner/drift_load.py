"""Whether the load is the planned one: rate, bursts, lengths, prefix reuse."""

from __future__ import annotations

from math import sqrt
from typing import Final

from pdplan import units
from pdplan.planner.drift_lines import LOAD_TOLERANCE, SURE_ERRORS, DriftLine, ObservedTraffic, Verdict
from pdplan.planner.result import Fleet
from pdplan.spec.scenario import Scenario

_Z99: Final = 2.326


def load_lines(scenario: Scenario, fleet: Fleet, seen: ObservedTraffic) -> list[DriftLine]:
    """Return the lines of rate, bursts, lengths and prefix reuse."""
    rate = sum(c.rate for c in fleet.classes)
    prompt = sum(c.rate * c.prompt_tokens for c in fleet.classes) / rate
    output = sum(c.rate * c.output_tokens for c in fleet.classes) / rate
    n = seen.requests
    name = fleet.classes[0].name
    rate_advice = (
        f"plan again for the rate that comes: --set classes.{name}.rate='{units.show(seen.rate, 'rate')}'"
        if len(fleet.classes) == 1
        else f"plan again for the rate that comes, {units.show(seen.rate, 'rate')} of all classes together"
    )
    length_advice = (
        "plan again with the lengths that come: write them with -o workload.yaml and say "
        "workload: workload.yaml in the class"
    )
    lines = [
        _load("rate", "rate", rate, seen.rate, sqrt(max(seen.dispersion, 1.0) / n), rate_advice),
        _burst(rate, seen),
        _load("mean prompt", "tokens", prompt, seen.prompt_tokens, sqrt(seen.prompt_scv / n), length_advice),
        _load("mean output", "tokens", output, seen.output_tokens, sqrt(seen.output_scv / n), length_advice),
    ]
    if seen.prefix_hit is not None:
        lines.append(_prefix(scenario, fleet, seen.prefix_hit))
    return lines


def _load(
    quantity: str, dimension: str, planned: float, observed: float, relative_error: float, advice: str
) -> DriftLine:
    """Judge a mean that is observed with a relative standard error."""
    change = observed / planned - 1.0
    error = SURE_ERRORS * relative_error * observed / planned
    verdict: Verdict = "as planned"
    why = f"{change:+.0%}"
    if abs(change) > LOAD_TOLERANCE:
        verdict = "drifted" if abs(change) - LOAD_TOLERANCE > error else "cannot tell"
        if verdict == "cannot tell":
            why += f" +- {error:.0%}"
    told = advice if verdict == "drifted" else ""
    if verdict == "cannot tell":
        told = f"look at a longer --window: there are too few requests to judge the {quantity}"
    return DriftLine(quantity, dimension, (planned, planned), (observed, observed), verdict, why, told)


def _burst(rate: float, seen: ObservedTraffic) -> DriftLine:
    """Judge the busiest windows against Poisson arrivals at the planned rate, as plans take them."""
    mean = rate * seen.window_s
    limit = (mean + _Z99 * sqrt(mean)) / seen.window_s
    high = seen.p99_rate > limit * (1.0 + LOAD_TOLERANCE)
    return DriftLine(
        f"rate, 99% of {units.show(seen.window_s, 'time')}",
        "rate",
        (limit, limit),
        (seen.p99_rate, seen.p99_rate),
        "drifted" if high else "as planned",
        f"{seen.p99_rate / limit - 1.0:+.0%}",
        f"plan for the busy windows: rate {units.show(seen.p99_rate, 'rate')}" if high else "",
    )


def _prefix(scenario: Scenario, fleet: Fleet, observed: float) -> DriftLine:
    pool = scenario.prefill.prefix_hit
    hits = {c.name: pool if c.prefix_hit is None else c.prefix_hit for c in scenario.classes}
    tokens = sum(c.rate * c.prompt_tokens for c in fleet.classes)
    planned = sum(c.rate * c.prompt_tokens * hits[c.name] for c in fleet.classes) / tokens
    moved = abs(observed - planned) > LOAD_TOLERANCE
    return DriftLine(
        "prefix hit",
        "fraction",
        (planned, planned),
        (observed, observed),
        "drifted" if moved else "as planned",
        f"{100 * (observed - planned):+.0f} points",
        f"plan again with the reuse that is seen: --set prefill.prefix_hit={observed:.2f}" if moved else "",
    )
