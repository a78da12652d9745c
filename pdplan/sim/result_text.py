"""A simulation's result as a document and as text."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

from pdplan.sim.result_parts import PoolUse, Statistic

if TYPE_CHECKING:
    from pdplan.sim.result import SimResult

_LATENCIES = ("ttft", "tpot", "itl", "itl_worst", "e2e")
_SHOWN = {"ttft": "TTFT", "tpot": "TPOT", "itl": "ITL", "itl_worst": "worst ITL", "e2e": "E2E"}


def result_document(result: SimResult) -> dict[str, Any]:
    """Return everything but the requests, JSON-ready."""
    raw = result.raw
    several = len(result.class_names) > 1
    return {
        "trust": str(result.trust),
        "what": "transient" if result.transient else "steady state",
        "requests": len(raw.arrival_s),
        "measured_from_s": result.window.from_s,
        "until_s": raw.until_s,
        "warmup_settled": None if result.transient or result.raw.from_s > 0 else result.window.warmup.settled,
        "confidence": result.confidence,
        "stability": result.stability.document(),
        "lost": result.lost,
        "all": _class_document(result, None),
        "classes": {n: _class_document(result, n) for n in result.class_names} if several else {},
        "throughput": result.throughput.document(),
        "prefill": result.prefill.document() if result.prefill is not None else None,
        "decode": result.decode.document(),
    }


def _class_document(result: SimResult, name: str | None) -> dict[str, Any]:
    chosen = result.chosen(name)
    target = result.targets.get(name or _only(result))
    return {
        "requests": int(chosen.sum()),
        "without_tpot": int((chosen & (result.raw.output_tokens == 1)).sum()),
        **{q: _latency_document(result, q, name) for q in _LATENCIES},
        "ttft_parts_s": result.breakdown(name),
        "attainment": result.attainment(target, name).document() if target is not None else None,
    }


def _only(result: SimResult) -> str:
    """The name under which targets of all requests are kept."""
    one = len(result.class_names) == 1 and result.class_names[0] in result.targets
    return result.class_names[0] if one else ""


def _latency_document(result: SimResult, quantity: str, name: str | None) -> dict[str, Any]:
    quantiles = result.quantiles(quantity, result.percentiles, name)
    return {
        "mean": result.statistic(quantity, class_name=name).document(),
        **{f"p{100 * p:g}": q.document() for p, q in zip(result.percentiles, quantiles, strict=True)},
    }


def result_text(result: SimResult) -> str:
    """Return a note of at most 80 columns."""
    raw = result.raw
    lines = [f"Simulated {len(raw.arrival_s):,} requests over {raw.until_s:,.1f} s: {_regime(result)}"]
    names: list[str | None] = [None]
    if len(result.class_names) > 1:
        names += list(result.class_names)
    for name in names:
        lines += ["", *_latency_lines(result, name)]
    parts = result.breakdown()
    shown = ", ".join(f"{k.replace('_', ' ')} {_seconds(v)}" for k, v in parts.items() if v > 0)
    t = result.throughput
    lines += [
        "",
        *wrap(f"Mean parts of a request's start: {shown}", 80, subsequent_indent="  "),
        f"Throughput: {t.requests_per_s:,.4g} req/s, {t.tokens_in_per_s:,.0f} tokens/s in, "
        f"{t.tokens_out_per_s:,.0f} out",
    ]
    if result.prefill is not None:
        lines += _pool_lines("Prefill", result.prefill)
    lines += _pool_lines("Decode" if result.prefill is not None else "Colocated", result.decode)
    verdict = f"{result.stability.regime.capitalize()}: {result.stability.reason}."
    if result.stability.regime == "backlogged":
        verdict += " There is no steady state: the latencies grow with the length of the run."
    lines += wrap(verdict, 80, subsequent_indent="  ")
    return "\n".join(lines)


def _regime(result: SimResult) -> str:
    if result.transient:
        return "a transient, reported whole"
    if result.window.from_s == 0:
        return "no warm-up to cut"
    settled = "" if result.window.warmup.settled or result.raw.from_s > 0 else " (not settled: run longer)"
    return f"measured from {result.window.from_s:,.1f} s on{settled}"


def _latency_lines(result: SimResult, name: str | None) -> list[str]:
    head = f"{name or 'all requests':<14}{'mean':>20}" + "".join(
        f"{f'p{100 * p:g}':>11}" for p in result.percentiles
    )
    lines = [head]
    for quantity in _LATENCIES:
        mean = result.statistic(quantity, class_name=name)
        if mean.value is None:
            continue
        quantiles = result.quantiles(quantity, result.percentiles, name)
        cells = "".join(f"{_seconds(q.value):>11}" for q in quantiles)
        lines.append(f"  {_SHOWN[quantity]:<12}{_with_interval(mean):>20}{cells}")
    target = result.targets.get(name or _only(result))
    if target is not None:
        met = result.attainment(target, name)
        lines.append(
            f"  attainment: TTFT {_percent(met.ttft)}, TPOT {_percent(met.tpot)}, both {_percent(met.joint)}"
        )
    return lines


def _pool_lines(name: str, use: PoolUse) -> list[str]:
    link = f", link {use.link_utilization:.1%}" if use.link_utilization else ""
    kv = f", KV {use.kv_mean_tokens:,.0f} tokens (peak {use.kv_peak_tokens:,.0f}"
    kv += f" of {use.kv_capacity_tokens:,.0f})" if use.kv_capacity_tokens is not None else ")"
    evicted = f", {use.evictions:,} evictions" if use.evictions else ""
    busy = f"{name} x{len(use.busy)}: busy {use.utilization:.1%}{link}"
    return wrap(f"{busy}, mean batch {use.mean_batch:.3g}{kv}{evicted}", 80, subsequent_indent="  ")


def _with_interval(statistic: Statistic) -> str:
    half = statistic.half_width
    return _seconds(statistic.value) + (f" ± {_seconds(half, 2)}" if half is not None else "")


def _seconds(value: float | None, digits: int = 4) -> str:
    if value is None:
        return "-"
    return f"{value * 1e3:.{digits}g} ms" if abs(value) < 1 else f"{value:.{digits}g} s"


def _percent(statistic: Statistic) -> str:
    if statistic.value is None:
        return "-"
    half = statistic.half_width
    return f"{statistic.value:.2%}" + (f" ± {half:.2%}" if half is not None else "")
