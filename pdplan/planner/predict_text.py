"""A prediction as text: one table for one concurrency, a curve for several."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pdplan import units
from pdplan.planner.text import table
from pdplan.sim.result_parts import Statistic

if TYPE_CHECKING:
    from pdplan.planner.predict_report import Point, Prediction


def prediction_text(p: Prediction, *, width: int = 80) -> str:
    """Return the text of a prediction."""
    lines = [f"{p.title}: {p.fleet}"]
    lines.append(_setting(p))
    lines.append("")
    lines += _one(p.points[0]) if len(p.points) == 1 else _curve(p)
    lines.append("")
    for text in (*_remarks(p), *p.notes):
        lines += textwrap.wrap(text[0].upper() + text[1:] + ".", width)
    return "\n".join(lines)


def _setting(p: Prediction) -> str:
    n = p.points[0].concurrency
    if n is None:
        what = "requests arrive at the scenario's rate (open loop)"
    elif len(p.points) == 1:
        what = f"{n} requests in flight (closed loop)"
    else:
        what = "closed loop: each row holds so many requests in flight"
    length = "" if p.output_factor == 1.0 else f"; outputs at {p.output_factor:g} of their nominal length"
    return what + length


def _one(point: Point) -> list[str]:
    f, s = point.formula, point.simulated
    rows: list[tuple[str, ...]] = [("", "formula", "simulated", "99% interval")]
    rows.append(
        (
            "throughput",
            "-" if f is None else f"{f.throughput:.4g} req/s",
            "-" if s is None else f"{s.throughput:.4g} req/s",
            "",
        )
    )
    for name, quantity in (("mean TTFT", "ttft"), ("mean TPOT", "tpot"), ("mean end to end", "e2e")):
        by_formula = None if f is None else {"ttft": f.ttft_s, "tpot": f.tpot_s, "e2e": f.e2e_s}[quantity]
        rows.append((name, _time(by_formula), *_seen(None if s is None else s.latency(quantity))))
    rows.append(
        (
            "mean decode batch",
            "-" if f is None else f"{f.mean_batch:.1f}",
            "-" if s is None else f"{s.mean_batch:.1f}",
            "",
        )
    )
    lines = table(rows, right=(1, 2, 3))
    lines += ["", "  mean parts of a request"]
    lines += table(_parts(point), right=(1, 2), indent="    ")
    if s is not None and len(s.latencies) > 1:
        lines += ["", "  each class, simulated"]
        each: list[tuple[str, ...]] = [("", "TTFT", "99% interval", "TPOT", "99% interval")]
        for name in s.latencies:
            if name:
                each.append((name, *_seen(s.latency("ttft", name)), *_seen(s.latency("tpot", name))))
        lines += table(each, right=(1, 2, 3, 4), indent="    ")
    return lines


def _parts(point: Point) -> list[tuple[str, ...]]:
    """Rows of parts; the engine counts the step under way into its admission, and the queue's step whole."""
    f, s = point.formula, point.simulated
    rows: list[tuple[str, ...]] = [("", "formula", "simulated")]
    if f is not None:
        by = dict(f.parts_s)
        waiting = by.pop("queue", 0.0) + by.pop("prefill", 0.0)
        way = by.pop("admission", 0.0) + by.pop("join", 0.0)
    else:
        by, waiting, way = {}, None, None
    seen = {} if s is None else dict(s.parts_s)
    rows.append(("prefill, with the wait", _time(waiting), _sum(seen, "queue", "prefill")))
    moved = None if f is None else by.get("transfer", 0.0) + by.get("transfer_wait", 0.0)
    rows.append(("KV transfer", _time(moved), _sum(seen, "transfer")))
    rows.append(("wait to join decode", _time(way), _sum(seen, "admission")))
    host = by.get("overhead", 0.0)
    if host > 0:
        rows.insert(1, ("host", _time(host), _sum(seen, "overhead")))
    return rows


def _sum(parts: dict[str, float], *names: str) -> str:
    return _time(sum(parts[n] for n in names)) if all(n in parts for n in names) else "-"


def _curve(p: Prediction) -> list[str]:
    with_formula = any(x.formula is not None for x in p.points)
    head = ["users", "", "req/s", "TTFT", "TPOT", "end to end", "batch"]
    if with_formula:
        head.append("limited by")
    rows: list[tuple[str, ...]] = [tuple(head)]
    for x in p.points:
        f, s = x.formula, x.simulated
        if f is not None:
            rows.append(
                (
                    str(x.concurrency),
                    "formula",
                    f"{f.throughput:.4g}",
                    _time(f.ttft_s),
                    _time(f.tpot_s),
                    _time(f.e2e_s),
                    f"{f.mean_batch:.1f}",
                    f.binding,
                )
            )
        if s is not None:
            rows.append(
                (
                    "" if f is not None else str(x.concurrency),
                    "simulated",
                    f"{s.throughput:.4g}",
                    *(_time(s.latency(q).value) for q in ("ttft", "tpot", "e2e")),
                    f"{s.mean_batch:.1f}",
                    *([""] if with_formula else []),
                )
            )
    return table(rows, right=(0, 2, 3, 4, 5, 6))


def _remarks(p: Prediction) -> list[str]:
    remarks = []
    first = p.points[0]
    if len(p.points) == 1 and first.formula is not None:
        limit = first.formula.binding
        if limit == "concurrency":
            limit = "concurrency alone: with more requests in flight the fleet serves more"
        remarks.append(f"limited by: {limit}")
    accuracies = dict.fromkeys(x.formula.accuracy for x in p.points if x.formula is not None)
    for text in accuracies:
        trust = next(x.formula.trust for x in p.points if x.formula is not None)
        remarks.append(f"formula ({trust.value}): {text}")
    seen = [x.simulated for x in p.points if x.simulated is not None]
    if seen:
        counts = sorted({s.requests for s in seen})
        most = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        text = f"simulated: {most} requests, seed {p.seed}"
        evicted = sum(s.evictions for s in seen)
        remarks.append(text + (f"; {evicted:,} evictions from KV memory" if evicted else ""))
    return remarks


def _seen(s: Statistic | None) -> tuple[str, str]:
    if s is None or s.value is None:
        return "-", ""
    if s.low is None or s.high is None:
        return _time(s.value), ""
    return _time(s.value), f"{_time(s.low)} to {_time(s.high)}"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else units.show(seconds, "time", digits=4)
