"""Whether the latencies are the planned ones, and whether the objectives are met."""

from __future__ import annotations

from typing import Final

from pdplan.planner.drift_lines import LATENCY_TOLERANCE, DriftLine, ObservedTraffic, Verdict
from pdplan.planner.result import ClassPlan, Fleet
from pdplan.spec.slo import Target

_TITLES: Final = {"ttft": "TTFT", "tpot": "TPOT", "itl": "ITL", "e2e": "end to end"}


def latency_lines(fleet: Fleet, seen: ObservedTraffic, *, moved: bool) -> list[DriftLine]:
    """Return the lines of every latency; ``moved``: whether the load is not the planned one."""
    lines = []
    for metric, found in seen.latencies.items():
        laws = [(c, getattr(c, metric)) for c in fleet.classes if getattr(c, metric) is not None]
        if not laws:
            continue
        mean = sum(_weight(c, metric) * law.mean_s for c, law in laws) / sum(
            _weight(c, metric) for c, _ in laws
        )
        lines.append(_latency(f"{_TITLES[metric]} mean", (mean, mean), (found.mean_s, found.mean_s), moved))
        for p, (_, low, high) in sorted(found.quantiles_s.items()):
            values = [law.quantile_s(p) for _, law in laws]
            lows = [law.low_s.get(p, v) for (_, law), v in zip(laws, values, strict=True)]
            highs = [law.high_s.get(p, v) for (_, law), v in zip(laws, values, strict=True)]
            title = f"{_TITLES[metric]} p{100 * p:g}"
            lines.append(_latency(title, (min(lows), max(highs)), (low, high), moved))
    return lines


def _weight(c: ClassPlan, metric: str) -> float:
    """Entries that a class makes in the histogram of a metric, per second."""
    gaps = max(c.output_tokens - 1.0, 0.0)
    return c.rate * {"itl": gaps, "tpot": 1.0 - c.single_token_share}.get(metric, 1.0)


def _latency(
    quantity: str, planned: tuple[float, float], observed: tuple[float, float | None], moved: bool
) -> DriftLine:
    """Judge by brackets: drifted only where no value of one is near any value of the other."""
    low, high = observed
    slower = low > planned[1] * (1.0 + LATENCY_TOLERANCE)
    faster = high is not None and high < planned[0] * (1.0 - LATENCY_TOLERANCE)
    if not slower and not faster:
        wide = high is None or high > 2.0 * max(low, planned[0] / 2.0)
        why = "plan in bucket" if low != high and wide else ""
        return DriftLine(quantity, "time", planned, observed, "as planned", why)
    if slower:
        advice = (
            "latencies are higher, and the load is not the planned one: plan again for the load first"
            if moved
            else "latencies are higher at the planned load: the step times of the plan are too fast for this "
            "fleet; measure it and give the profile as latency: (pdplan profile fit)"
        )
        return DriftLine(quantity, "time", planned, observed, "drifted", "slower", advice)
    advice = (
        "latencies are lower, and the load is not the planned one: plan again for the load first"
        if moved
        else "latencies are lower at the planned load: the fleet may be larger than it need be; measure its "
        "step times (pdplan profile fit) and plan again"
    )
    return DriftLine(quantity, "time", planned, observed, "drifted", "faster", advice)


def objective_lines(fleet: Fleet, seen: ObservedTraffic) -> list[DriftLine]:
    """Judge the promises of a scenario with one class by what was observed."""
    if len(fleet.classes) > 1:
        return []
    lines = []
    for objective in fleet.classes[0].objectives:
        target = objective.target
        if not isinstance(target, Target) or target.metric not in seen.latencies:
            continue
        found = seen.latencies[target.metric]
        p = target.probability
        if p is None:
            low: float = found.mean_s
            high: float | None = found.mean_s
        elif p in found.quantiles_s:
            _, low, high = found.quantiles_s[p]
        else:
            continue
        met, missed = high is not None and high <= target.limit_s, low > target.limit_s
        verdict: Verdict = "as planned" if met else "drifted" if missed else "cannot tell"
        why = "met" if met else "missed" if missed else "limit in bucket"
        advice = "an objective is missed: add instances or lower the load until the rest is settled"
        lines.append(
            DriftLine(
                f"objective {target.metric} {target.stat}",
                "time",
                (target.limit_s, target.limit_s),
                (low, high),
                verdict,
                why,
                advice if missed else "",
            )
        )
    return lines
