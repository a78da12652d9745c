"""An observation as a workload document, in the form of models/workloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdplan.interop.prometheus.bucket_law import BucketLaw
from pdplan.interop.prometheus.observation import Observation

_STEP_PERCENT = 2e-9  # two knots at one rank (a gap between lengths) stand this far apart


def workload_document(seen: Observation, name: str) -> dict[str, Any]:
    """Return the document that `pdplan.workload.Workload.from_document` reads."""
    a = seen.arrivals
    document: dict[str, Any] = {
        "name": name,
        "about": _about(seen),
        "requests": round(seen.requests),
        "prompt_tokens": {"quantiles": quantile_table(seen.prompt)},
        "output_tokens": {"quantiles": quantile_table(seen.output)},
    }
    if seen.prefix_hit is not None:
        document["prefix_hit"] = _digits(seen.prefix_hit, 4)
    document["arrivals"] = {
        "rate_per_s": _digits(a.rate, 6),
        "span_s": _digits(a.span_s, 6),
        "window_s": a.window_s,
        "peak_rate_per_s": _digits(a.peak_rate, 6),
        "p99_rate_per_s": _digits(a.p99_rate, 6),
        "index_of_dispersion": {w: _digits(x, 4) for w, x in a.index_of_dispersion.items()},
    }
    document["sources"] = [{"what": f"observed at {seen.source}: {', '.join(seen.names.values())}"}]
    return document


def workload_text(document: Mapping[str, Any], notes: tuple[str, ...] = ()) -> str:
    """Return a workload document as YAML, its tables six entries to a line."""
    import yaml

    def plain(value: object) -> str:
        return str(yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1e9)).strip()

    lines = ["# Written by pdplan observe.", *(f"# {note}" for note in notes)]
    for key, value in document.items():
        if key in ("prompt_tokens", "output_tokens"):
            cells = [f"{p:.12g}: {x:.9g}" for p, x in value["quantiles"].items()]
            rows = [", ".join(cells[i : i + 6]) + "," for i in range(0, len(cells), 6)]
            lines += [f"{key}:", "  quantiles: {", *(f"    {row}" for row in rows), "  }"]
        elif isinstance(value, str):
            lines.append(f"{key}: {_quoted(value)}")
        else:
            lines.append(f"{key}: {plain(value).removesuffix('...').strip()}")
    return "\n".join(lines) + "\n"


def quantile_table(law: BucketLaw) -> dict[float, float]:
    """Return the law as percents and tokens, strictly ascending in percent, from 0 to 100.

    Knots that share a rank (no entries between two lengths) are set two billionths of a percent apart.
    """
    percents = (100.0 * law.ranks).tolist()
    for i in range(1, len(percents)):
        percents[i] = max(percents[i], percents[i - 1] + _STEP_PERCENT)
    percents[-1] = 100.0
    for i in range(len(percents) - 2, 0, -1):
        percents[i] = min(percents[i], percents[i + 1] - _STEP_PERCENT)
    values = [_digits(x, 9) for x in law.values.tolist()]
    # a bucket of one length needs its two ends alone
    needed = [
        i in (0, len(values) - 1) or not values[i - 1] == values[i] == values[i + 1]
        for i in range(len(values))
    ]
    return {round(p, 9): x for p, x, keep in zip(percents, values, needed, strict=True) if keep}


def _about(seen: Observation) -> str:
    return (
        f"{seen.requests:.0f} requests of {seen.engine} in {seen.span_s:.0f} s, rebuilt from Prometheus "
        "histograms: means are exact, percentiles known to within a bucket; how prompt and output lengths go "
        "together is not in such metrics"
    )


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _digits(x: float, digits: int) -> float:
    return float(f"{x:.{digits}g}")
