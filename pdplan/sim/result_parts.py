"""The parts of a simulation's result: statistics with intervals, attainment, throughput, use of the pools."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pdplan.errors import InputError
from pdplan.sim.statistics import Witness


@dataclass(frozen=True, slots=True)
class Target:
    """Limits that a request should meet [s]; infinite: none."""

    ttft_s: float = math.inf
    tpot_s: float = math.inf

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value in (("ttft_s", self.ttft_s), ("tpot_s", self.tpot_s)):
            if not value > 0:
                raise InputError(f"target {name} is {value:g} s: it must be greater than 0")

    def scaled(self, factor: float) -> Target:
        """Return both limits times ``factor``.

        Examples
        --------
        >>> Target(0.2, 0.1).scaled(2.0)
        Target(ttft_s=0.4, tpot_s=0.2)
        """
        return Target(self.ttft_s * factor, self.tpot_s * factor)


@dataclass(frozen=True, slots=True)
class Statistic:
    """A number from a run.

    Attributes
    ----------
    value : float or None
        None where no request has it.
    low, high : float or None
        Interval; None of a transient, of few observations, of gaps, and ``high`` where the sample ends before
        it.
    witness : Witness or None
        For `pdplan.sim.statistics.agreement`.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    witness: Witness | None = None

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else 0.5 * (self.high - self.low)

    def document(self) -> dict[str, float | None]:
        """JSON-ready."""
        return {"value": self.value, "low": self.low, "high": self.high}


def observed(witness: Witness, confidence: float) -> Statistic:
    """Make a statistic of a witness."""
    low, high = witness.interval(confidence)
    return Statistic(float(witness.estimate), _finite(low), _finite(high), witness)


@dataclass(frozen=True, slots=True)
class Attainment:
    """Shares of requests that meet a target, lost ones counted as missed.

    Attributes
    ----------
    ttft, tpot, joint : Statistic
        Marginal shares and the share that meets both [-]. A request of one output token has no TPOT: the
        share of TPOT leaves it out, the joint share asks it for TTFT alone.
    target : Target or tuple of Target
        One for all, or one for each class.
    requests, without_tpot, lost : int
    """

    ttft: Statistic
    tpot: Statistic
    joint: Statistic
    target: Target | tuple[Target, ...]
    requests: int
    without_tpot: int
    lost: int

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        each = [self.target] if isinstance(self.target, Target) else list(self.target)
        ttft_s, tpot_s = [_finite(t.ttft_s) for t in each], [_finite(t.tpot_s) for t in each]
        one = isinstance(self.target, Target)
        return {
            "ttft_s": ttft_s[0] if one else ttft_s,
            "tpot_s": tpot_s[0] if one else tpot_s,
            "ttft": self.ttft.document(),
            "tpot": self.tpot.document(),
            "joint": self.joint.document(),
            "requests": self.requests,
            "without_tpot": self.without_tpot,
            "lost": self.lost,
        }


@dataclass(frozen=True, slots=True)
class Throughput:
    """Requests and tokens served a second; ``in`` are prompt tokens, ``out`` output tokens."""

    requests_per_s: float
    tokens_in_per_s: float
    tokens_out_per_s: float

    @property
    def tokens_per_s(self) -> float:
        """In and out together [tok/s]."""
        return self.tokens_in_per_s + self.tokens_out_per_s

    def document(self) -> dict[str, float]:
        """JSON-ready."""
        return {
            "requests_per_s": self.requests_per_s,
            "tokens_in_per_s": self.tokens_in_per_s,
            "tokens_out_per_s": self.tokens_out_per_s,
            "tokens_per_s": self.tokens_per_s,
        }


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Use of the instances of one pool.

    Attributes
    ----------
    busy : tuple of float
        Share of time at work, by instance [-].
    link : tuple of float
        Share of time for which the egress has work, by instance [-]; empty for decode.
    mean_batch : float
        Sequences in a decode step, or prompts in a prefill step [-].
    batch_quantiles : dict
        Decode batch over time, by p; empty for prefill.
    batch_full : float
        Share of time at the largest batch allowed [-].
    kv_mean_tokens, kv_peak_tokens : float
        KV held by an instance, mean over time and instances, and largest [tok].
    kv_capacity_tokens : float or None
    evictions, rejected, timed_out : int
    """

    busy: tuple[float, ...]
    link: tuple[float, ...]
    mean_batch: float
    batch_quantiles: dict[float, int]
    batch_full: float
    kv_mean_tokens: float
    kv_peak_tokens: float
    kv_capacity_tokens: float | None
    evictions: int = 0
    rejected: int = 0
    timed_out: int = 0

    @property
    def utilization(self) -> float:
        """Mean share of time at work [-]."""
        return sum(self.busy) / len(self.busy)

    @property
    def link_utilization(self) -> float | None:
        """Mean share of time for which an egress has work [-]."""
        return sum(self.link) / len(self.link) if self.link else None

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "instances": len(self.busy),
            "utilization": self.utilization,
            "utilization_by_instance": list(self.busy),
            "link_utilization": self.link_utilization,
            "link_utilization_by_instance": list(self.link),
            "mean_batch": self.mean_batch,
            "batch_quantiles": {f"p{100 * p:g}": b for p, b in self.batch_quantiles.items()},
            "batch_full": self.batch_full,
            "kv_mean_tokens": self.kv_mean_tokens,
            "kv_peak_tokens": self.kv_peak_tokens,
            "kv_capacity_tokens": self.kv_capacity_tokens,
            "evictions": self.evictions,
            "rejected": self.rejected,
            "timed_out": self.timed_out,
        }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
