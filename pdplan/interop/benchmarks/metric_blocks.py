"""Metrics as NVIDIA's clients (AIPerf, genai-perf) write them: a unit and statistics under each name.

Their "inter token latency" is (request latency - TTFT)/(output - 1), one number for each request: the TPOT of
docs/nomenclature.md. Gaps between single tokens are not reported. Sources: AIPerf, docs/metrics_reference.md;
genai-perf, README (metrics).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.offered import arrival_rate, offered_load
from pdplan.interop.benchmarks.values import SECONDS, compare_tpot, finite, mean_gap_s, need, optional, spread
from pdplan.latency.measured import ServingRun, Spread

Blocks = Mapping[str, Mapping[str, Any]]
SAYS: Final = (
    "Inter-token latency is one mean for each request: read as TPOT; single gaps (ITL) are not reported.",
)


def blocks_of(value: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the metrics of a JSON object."""
    return {key: block for key, block in value.items() if isinstance(block, dict) and "avg" in block}


def run_of_blocks(
    blocks: Blocks, config: Mapping[str, Any], where: str, corrections: list[str], *, failed: int = 0
) -> ServingRun:
    """Return the run of some metrics; ``config`` is what the client was told, as far as the file says.

    Raises
    ------
    InputError
        A metric is missing or impossible, or the count of requests is not that of the sums.
    """
    requests = _average(blocks, "request_count", where)
    _check_count(blocks, requests, where)
    output = _average(blocks, "output_sequence_length", where)
    ttft, tpot, e2e = (
        _spread(blocks, key, label, where, corrections)
        for key, label in (
            ("time_to_first_token", "TTFT"),
            ("inter_token_latency", "TPOT"),
            ("request_latency", "e2e"),
        )
    )
    if e2e == Spread():
        raise InputError(f"{where}: no request_latency: not a whole report of the client")
    corrections += SAYS
    if ttft.mean is None:
        corrections.append("No time to first token: the answers did not stream.")
    gap = mean_gap_s(e2e.mean, ttft.mean, output)
    compare_tpot(tpot.mean, gap, "", corrections)
    throughput = _average(blocks, "request_throughput", where)
    duration = _seconds(blocks, "benchmark_duration", where)
    load = _find(config, "request_rate"), _find(config, "concurrency")
    in_flight = throughput * e2e.mean if e2e.mean else None
    rate, concurrency = offered_load(
        arrival_rate(load[0], where), finite(load[1]), in_flight, int(requests), "", corrections
    )
    return ServingRun(
        requests=int(requests),
        prompt_tokens=_average(blocks, "input_sequence_length", where),
        output_tokens=output,
        duration_s=duration if duration is not None else (requests / throughput if throughput else None),
        request_rate=rate,
        concurrency=concurrency,
        throughput=throughput,
        ttft=ttft,
        tpot=tpot,
        e2e=e2e,
        failed=failed,
    )


def config_of(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the client was told, as far as the file says."""
    config = value.get("input_config")
    return config if isinstance(config, dict) else {}


def model_of(config: Mapping[str, Any]) -> str | None:
    """Return the model that the client was pointed at, where it says."""
    names = _find(config, "model_names")
    if isinstance(names, list) and names:
        return str(names[0])
    return str(names) if isinstance(names, str) else None


def _find(config: Mapping[str, Any], key: str) -> Any:
    """Return a setting from the config or one of its sections."""
    if config.get(key) is not None:
        return config[key]
    sections = [value for value in config.values() if isinstance(value, dict)]
    return next((s[key] for s in sections if s.get(key) is not None), None)


def _average(blocks: Blocks, key: str, where: str) -> float:
    if key not in blocks:
        raise InputError(f"{where}: no {key}: not a whole report of the client, or cut off")
    return need(blocks[key], "avg", f"{where}, {key}")


def _scale(block: Mapping[str, Any], key: str, where: str) -> float:
    unit = str(block.get("unit", "ms"))
    if unit not in SECONDS:
        raise InputError(f"{where}: {key} is in {unit[:20]!r}: it must be one of {', '.join(SECONDS)}")
    return SECONDS[unit]


def _seconds(blocks: Blocks, key: str, where: str) -> float | None:
    block = blocks.get(key)
    average = None if block is None else optional(block, "avg")
    return None if block is None or average is None else average * _scale(block, key, where)


def _spread(blocks: Blocks, key: str, label: str, where: str, corrections: list[str]) -> Spread:
    """Return a latency in s; the unit is the one that the file names."""
    block = blocks.get(key)
    if block is None:
        return Spread()
    scale = _scale(block, key, where)
    if scale != 1:
        corrections.append(f"Latencies converted from {block.get('unit', 'ms')} to s.")
    values = {"mean": block.get("avg"), **{p: block.get(p) for p in ("p50", "p90", "p95", "p99")}}
    return spread(values, scale, label, "", corrections)


def _check_count(blocks: Blocks, requests: float, where: str) -> None:
    """Refuse a count of requests that is not sum over mean of their latencies."""
    latency = blocks.get("request_latency", {})
    total, mean = optional(latency, "sum"), optional(latency, "avg")
    if requests < 1:
        raise InputError(
            f"{where}: no request was answered (request_count is {requests:g}): nothing was measured"
        )
    if total and mean and abs(total / mean / requests - 1) > 0.01:
        raise InputError(
            f"{where}: request_count is {requests:g}, but the sum of latencies is that of "
            f"{total / mean:.6g} requests: the file is damaged or cut off"
        )
