"""The means of one point as its row."""

from __future__ import annotations

from collections.abc import Sequence

from pdplan.errors import PdplanError
from pdplan.planner.evaluate import several
from pdplan.planner.result import Cost
from pdplan.planner.sweep_row import Row, failed_row, number
from pdplan.planner.sweep_smooth import Answer
from pdplan.planner.traffic import ClassTraffic
from pdplan.spec.slo import JointTarget, Target


def means_row(
    counts: tuple[int, int],
    cost: Cost,
    answer: Answer,
    traffic: Sequence[ClassTraffic],
    max_utilization: float,
) -> Row:
    """Return a row: met only if every objective is on a mean, missed if a load or mean is over its limit."""
    if isinstance(answer, PdplanError):
        row = failed_row(answer)
        # The load in the message is that of the lowest rate of a range: the others only have more.
        return row | {"reason": f"{row['reason'].split(':')[0]} (at this rate or a lower one)"}
    prefill, decode, link, kv = answer[:4].tolist()
    pairs = answer[4:].reshape(-1, 2).tolist()
    means: list[tuple[ClassTraffic, float, float]] = [
        (t, ttft, tpot) for t, (ttft, tpot) in zip(traffic, pairs, strict=True)
    ]
    loads = (
        ("prefill", prefill, max_utilization),
        ("decode", decode, max_utilization),
        ("link", link, max_utilization),
        ("decode KV memory (p99)", kv, 1.0),
    )
    missed = [f"{name} load {load:.0%} of {limit:.0%}" for name, load, limit in loads if load > limit]
    missed += [f"{t.name}: {o}" for t, ttft, tpot in means for o in t.slo.objectives if _over(o, ttft, tpot)]
    left = any(not _on_mean(o) for t in traffic for o in t.slo.objectives)
    status = "missed" if missed else "undetermined" if left else "met"
    row = {
        "status": status,
        "feasible": status == "met",
        "reason": ", ".join(missed) or ("only means were looked at" if left else ""),
        "prefill_count": counts[0],
        "prefill_load": number(prefill),
        "decode_count": counts[1],
        "decode_load": number(decode),
        "gpus": cost.gpus_bought,
        "usd_per_hour": number(cost.usd_per_hour),
        "link_load": number(link),
    }
    return row | _latencies(means)


def _latencies(means: list[tuple[ClassTraffic, float, float]]) -> Row:
    row: Row = {}
    for t, ttft, tpot in means:
        row[f"{t.name}.ttft_mean_s"] = number(ttft)
        row[f"{t.name}.tpot_mean_s"] = number(tpot) if several(t.demand) else None
    return row


def _on_mean(target: Target | JointTarget) -> bool:
    return isinstance(target, Target) and target.stat == "mean" and target.metric in ("ttft", "tpot")


def _over(target: Target | JointTarget, ttft_s: float, tpot_s: float) -> bool:
    """Whether a mean that was computed is over its limit."""
    if not isinstance(target, Target) or not _on_mean(target):
        return False
    return (ttft_s if target.metric == "ttft" else tpot_s) > target.limit_s
