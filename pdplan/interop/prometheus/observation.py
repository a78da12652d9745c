"""What a Prometheus server saw of an engine in a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pdplan._version import __version__
from pdplan.interop.prometheus.bucket_law import BucketLaw
from pdplan.workload import ArrivalStatistics

PERCENTILES: Final = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class Observation:
    """Traffic and latencies of the targets that a selector chose.

    Parameters
    ----------
    engine : str
        ``vllm`` or ``sglang``.
    source : str
        Address of the server and selector, for people.
    asked_s, span_s : float
        Window asked for, and time between the first and last sample in it [s].
    scrape_s : float
        Time between two samples [s].
    targets : int
        Series of the counter of requests: engines times whatever labels split them.
    restarts : int
        Times that a target began to count again.
    requests : float
        Counted in the window.
    arrivals : ArrivalStatistics
        Rates and dispersion; counted where the first token left, or where the request finished.
    rates : tuple of float
        Rate in each window [1/s].
    prompt, output : BucketLaw
        Tokens of a request [tok].
    latencies : mapping
        Of ttft, tpot, itl, e2e, those that the engine has [s].
    prefix_hit : float or None
        Share of prompt tokens found in the prefix cache [-].
    names : mapping
        Which metric each quantity was read from.
    notes : tuple of str
        What a reader should know before using the numbers.
    """

    engine: str
    source: str
    asked_s: float
    span_s: float
    scrape_s: float
    targets: int
    restarts: int
    requests: float
    arrivals: ArrivalStatistics
    rates: tuple[float, ...]
    prompt: BucketLaw
    output: BucketLaw
    latencies: Mapping[str, BucketLaw]
    prefix_hit: float | None
    names: Mapping[str, str]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the JSON document (``pdplan.observe/1``)."""
        a = self.arrivals
        return {
            "schema": "pdplan.observe/1",
            "version": __version__,
            "engine": self.engine,
            "source": self.source,
            "asked_s": self.asked_s,
            "span_s": _round(self.span_s),
            "scrape_interval_s": _round(self.scrape_s),
            "targets": self.targets,
            "restarts": self.restarts,
            "requests": _round(self.requests),
            "arrivals": {
                "rate_per_s": _round(a.rate),
                "window_s": a.window_s,
                "peak_rate_per_s": _round(a.peak_rate),
                "p99_rate_per_s": _round(a.p99_rate),
                "index_of_dispersion": {f"{w:g}": _round(x) for w, x in a.index_of_dispersion.items()},
                "rates_per_s": [_round(r) for r in self.rates],
            },
            "prompt_tokens": law_document(self.prompt, "tok"),
            "output_tokens": law_document(self.output, "tok"),
            "latencies": {m: law_document(law, "s") for m, law in self.latencies.items()},
            "prefix_hit": None if self.prefix_hit is None else _round(self.prefix_hit),
            "metrics": dict(self.names),
            "notes": list(self.notes),
        }


def law_document(law: BucketLaw, unit: str) -> dict[str, Any]:
    """Return mean, percentiles with their bracket, SCV with its bracket and the counts of the buckets."""
    rows: dict[str, Any] = {"count": _round(law.count), f"mean_{unit}": _round(law.mean)}
    for p in PERCENTILES:
        low, high = law.bracket(p)
        rows[f"p{100 * p:g}"] = {
            f"value_{unit}": _round(law.quantile(p)),
            f"low_{unit}": _round(low),
            f"high_{unit}": None if high is None else _round(high),
        }
    least, most = law.scv_bracket()
    rows["scv"] = {"value": _round(law.scv), "low": _round(least), "high": _round(most)}
    rows["share_above_last_bucket"] = _round(law.open_share)
    found = law.histogram
    rows["buckets"] = {
        "upper_edges": [_round(e) for e in found.edges.tolist()],
        "counts": [_round(c) for c in found.counts.tolist()],
    }
    return rows


def _round(x: float) -> float:
    return float(f"{x:.9g}")
