"""The numbers of a prediction: means by formula, and means with intervals by simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pdplan.sim.result_parts import Statistic
from pdplan.trust import Trust


@dataclass(frozen=True, eq=False)
class Means:
    """Means over all requests by formula.

    Attributes
    ----------
    throughput : float
        [1/s].
    ttft_s, tpot_s, e2e_s : float
        TPOT is None where every request has one output token [s].
    mean_batch : float
        Requests decoding in one instance [-].
    parts_s : mapping
        Mean of each part of a request [s].
    binding : str
        What limits the throughput.
    trust : Trust
    accuracy : str
        What was measured of the formula.
    """

    throughput: float
    ttft_s: float
    tpot_s: float | None
    e2e_s: float
    mean_batch: float
    parts_s: Mapping[str, float]
    binding: str
    trust: Trust
    accuracy: str

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "throughput_per_s": rounded(self.throughput),
            "ttft_s": rounded(self.ttft_s),
            "tpot_s": rounded(self.tpot_s),
            "e2e_s": rounded(self.e2e_s),
            "mean_decode_batch": rounded(self.mean_batch),
            "parts_s": {k: rounded(v) for k, v in self.parts_s.items()},
            "binding": self.binding,
            "trust": self.trust.value,
            "accuracy": self.accuracy,
        }


@dataclass(frozen=True, eq=False)
class SimulatedMeans:
    """Means with 99% intervals by simulation, of all requests and of each class.

    ``latencies[name][quantity]``: the name ``""`` is all requests; quantities are ttft, tpot and e2e.
    """

    requests: int
    regime: str
    throughput: float
    tokens_out_per_s: float
    mean_batch: float
    evictions: int
    parts_s: Mapping[str, float]
    latencies: Mapping[str, Mapping[str, Statistic]] = field(default_factory=dict)

    def latency(self, quantity: str, name: str = "") -> Statistic:
        """Mean of a quantity of a class, or of all [s]."""
        return self.latencies[name][quantity]

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "requests": self.requests,
            "regime": self.regime,
            "throughput_per_s": rounded(self.throughput),
            "tokens_out_per_s": rounded(self.tokens_out_per_s),
            "mean_decode_batch": rounded(self.mean_batch),
            "evictions": self.evictions,
            "parts_s": {k: rounded(v) for k, v in self.parts_s.items()},
            **{f"{q}_s": _interval(s) for q, s in self.latencies[""].items()},
            "classes": {
                name: {f"{q}_s": _interval(s) for q, s in rows.items()}
                for name, rows in self.latencies.items()
                if name
            },
            "confidence": 0.99,
            "trust": Trust.SIMULATED.value,
        }


def rounded(x: float | None) -> float | None:
    """Ten digits, so that documents are the same everywhere."""
    return None if x is None else float(f"{x:.10g}")


def _interval(s: Statistic) -> dict[str, float | None]:
    return {"value": rounded(s.value), "low": rounded(s.low), "high": rounded(s.high)}
