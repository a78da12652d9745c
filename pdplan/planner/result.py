"""What a plan says: frozen, printable, and one JSON document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pdplan.latency.expert_degrees import Degrees
from pdplan.spec.slo import JointTarget, Target
from pdplan.trust import Trust

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdplan.planner.trace_rate import TracedRate

Status = Literal["met", "missed", "undetermined"]
REPORTED = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class Latency:
    """One latency of one class: mean, percentiles, and how far to believe them.

    ``low_s`` and ``high_s`` bracket ``quantiles_s`` where the law is bounded; elsewhere they repeat it.
    """

    metric: str
    mean_s: float
    quantiles_s: Mapping[float, float]
    low_s: Mapping[float, float]
    high_s: Mapping[float, float]
    trust: Trust
    ask: Callable[[float], float] | None = field(default=None, repr=False)

    def quantile_s(self, p: float) -> float:
        """p-quantile [s], at any p if the law is at hand."""
        if p in self.quantiles_s:
            return self.quantiles_s[p]
        if self.ask is None:
            raise KeyError(f"p={p} was not computed for {self.metric}")
        return self.ask(p)

    def at(self, target: Target) -> tuple[float, float, float]:
        """(value, low, high) [s] of the statistic that a target names."""
        p = target.probability
        if p is None:
            return self.mean_s, self.mean_s, self.mean_s
        value = self.quantile_s(p)
        return value, self.low_s.get(p, value), self.high_s.get(p, value)

    def plot(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw the share of requests that takes longer than t (extra ``plot``) and return the axes."""
        from pdplan.planner.plot_latency import plot_latency

        return plot_latency(self, ax, label=label)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        rows = {
            f"p{100 * p:g}": {
                "value_s": _round(v),
                "low_s": _round(self.low_s.get(p, v)),
                "high_s": _round(self.high_s.get(p, v)),
            }
            for p, v in self.quantiles_s.items()
        }
        return {"mean_s": _round(self.mean_s), **rows, "trust": self.trust.value}


@dataclass(frozen=True, slots=True)
class Objective:
    """One target of one class, and how it fares."""

    target: Target | JointTarget
    value: float
    low: float
    high: float
    trust: Trust

    @property
    def is_share(self) -> bool:
        """Whether the value is a share of requests (joint attainment) and not a time."""
        return isinstance(self.target, JointTarget)

    @property
    def limit(self) -> float:
        """The limit: seconds, or the share asked for."""
        return self.target.attainment if isinstance(self.target, JointTarget) else self.target.limit_s

    @property
    def status(self) -> Status:
        """Met, missed, or undetermined where the limit falls inside the bracket."""
        if isinstance(self.target, JointTarget):
            return "met" if self.low >= self.limit else "missed" if self.high < self.limit else "undetermined"
        return "met" if self.high <= self.limit else "missed" if self.low > self.limit else "undetermined"

    @property
    def slack(self) -> float:
        """Room left, as a share of the limit (negative: missed)."""
        if isinstance(self.target, JointTarget):
            return (self.value - self.limit) / (1.0 - self.limit)
        return (self.limit - self.value) / self.limit

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        unit = "share" if self.is_share else "s"
        return {
            "target": str(self.target),
            f"limit_{unit}": _round(self.limit),
            f"value_{unit}": _round(self.value),
            f"low_{unit}": _round(self.low),
            f"high_{unit}": _round(self.high),
            "status": self.status,
            "slack": _round(self.slack),
            "trust": self.trust.value,
        }


@dataclass(frozen=True, eq=False)
class ClassPlan:
    """What one class gets from a fleet.

    ``ttft_parts_s`` are means that add up to the mean TTFT. ``decode_parts_s``: mean wait for admission and
    mean time of decoding, per request. TPOT and ITL are None where no request has two output tokens;
    ``single_token_share`` of the requests has one and is left out of TPOT. ``traced`` says where the rate
    was read from, if from a trace.
    """

    name: str
    rate: float
    prompt_tokens: float
    output_tokens: float
    lengths: str
    ttft: Latency
    tpot: Latency | None
    itl: Latency | None
    e2e: Latency
    ttft_parts_s: Mapping[str, float]
    decode_parts_s: Mapping[str, float]
    objectives: tuple[Objective, ...]
    single_token_share: float = 0.0
    traced: TracedRate | None = None

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw where the mean TTFT goes, part by part (extra ``plot``), and return the axes."""
        from pdplan.planner.plot_latency import plot_parts

        return plot_parts([self], ax)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "rate_req_per_s": _round(self.rate),
            "rate_from": None if self.traced is None else self.traced.document(),
            "mean_prompt_tokens": _round(self.prompt_tokens),
            "mean_output_tokens": _round(self.output_tokens),
            "lengths": self.lengths,
            "ttft": self.ttft.document(),
            "tpot": None if self.tpot is None else self.tpot.document(),
            "itl": None if self.itl is None else self.itl.document(),
            "single_token_share": _round(self.single_token_share),
            "e2e": self.e2e.document(),
            "ttft_parts_s": {k: _round(v) for k, v in self.ttft_parts_s.items()},
            "decode_parts_s": {k: _round(v) for k, v in self.decode_parts_s.items()},
            "objectives": [o.document() for o in self.objectives],
        }


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """One pool of a fleet."""

    role: str
    accelerator: str
    count: int
    tp: int
    pp: int
    router: str
    discipline: str
    utilization: float
    utilization_limit: float
    mean_batch: float | None
    kv_p99_share: float | None
    usd_per_hour: float
    power_w: float
    latency_source: str
    warnings: tuple[str, ...] = ()
    dp_attention: int = 1
    ep: int = 1

    @property
    def degrees(self) -> Degrees:
        """Degrees of parallelism of one instance."""
        return Degrees(self.tp, self.pp, self.dp_attention, self.ep)

    @property
    def gpus(self) -> int:
        """GPUs of the pool."""
        return self.count * self.degrees.gpus

    @property
    def parallelism(self) -> str:
        """E.g. ``TP4``, ``TP4 PP2`` or ``DP32 EP32``."""
        return str(self.degrees)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "accelerator": self.accelerator,
            "count": self.count,
            "tp": self.tp,
            "pp": self.pp,
            **({"dp_attention": self.dp_attention} if self.dp_attention > 1 else {}),
            **({"ep": self.ep} if self.ep > 1 else {}),
            "gpus": self.gpus,
            "router": self.router,
            "discipline": self.discipline,
            "utilization": _round(self.utilization),
            "utilization_limit": self.utilization_limit,
            "mean_batch": None if self.mean_batch is None else _round(self.mean_batch),
            "kv_p99_share": None if self.kv_p99_share is None else _round(self.kv_p99_share),
            "usd_per_hour": _round(self.usd_per_hour),
            "latency_source": self.latency_source,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """What the KV link does."""

    name: str
    egress_bytes_per_s: float
    egress_utilization: float
    ingress_utilization: float
    mean_payload_bytes: float
    mean_transfer_s: float

    @property
    def utilization(self) -> float:
        """The busier end."""
        return max(self.egress_utilization, self.ingress_utilization)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "egress_bytes_per_s": _round(self.egress_bytes_per_s),
            "egress_utilization": _round(self.egress_utilization),
            "ingress_utilization": _round(self.ingress_utilization),
            "mean_payload_bytes": _round(self.mean_payload_bytes),
            "mean_transfer_s": _round(self.mean_transfer_s),
        }


@dataclass(frozen=True, slots=True)
class Cost:
    """What a fleet costs."""

    gpus: int
    gpus_bought: int
    usd_per_hour: float
    usd_per_million_output_tokens: float
    usd_per_million_tokens: float
    power_w: float

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "gpus": self.gpus,
            "gpus_bought": self.gpus_bought,
            "usd_per_hour": _round(self.usd_per_hour),
            "usd_per_million_output_tokens": _round(self.usd_per_million_output_tokens),
            "usd_per_million_tokens": _round(self.usd_per_million_tokens),
            "power_w": _round(self.power_w),
        }


@dataclass(frozen=True, eq=False)
class Fleet:
    """A disaggregated fleet, judged."""

    prefill: PoolPlan
    decode: PoolPlan
    link: LinkPlan
    classes: tuple[ClassPlan, ...]
    cost: Cost

    @property
    def label(self) -> str:
        """E.g. ``2 prefill TP4 + 3 decode TP4``."""
        p, d = self.prefill, self.decode
        return f"{p.count} prefill {p.parallelism} + {d.count} decode {d.parallelism}"

    @property
    def status(self) -> Status:
        """The worst status of any objective or load limit."""
        return _worst([o.status for c in self.classes for o in c.objectives] + [self._load_status])

    @property
    def _load_status(self) -> Status:
        loads = (
            (self.prefill.utilization, self.prefill.utilization_limit),
            (self.decode.utilization, self.decode.utilization_limit),
            (self.link.utilization, self.prefill.utilization_limit),
            (self.decode.kv_p99_share or 0.0, 1.0),
        )
        return "met" if all(load <= limit for load, limit in loads) else "missed"

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "label": self.label,
            "status": self.status,
            "prefill": self.prefill.document(),
            "decode": self.decode.document(),
            "link": self.link.document(),
            "cost": self.cost.document(),
            "classes": [c.document() for c in self.classes],
        }


@dataclass(frozen=True, eq=False)
class Colocated:
    """The colocated fleet at the same objectives: the smallest that surely meets them, and that may.

    ``count_low`` judges percentiles by the lower end of their bracket, ``count`` by the upper end. ``count``
    is None if no fleet surely meets the objectives, ``count_low`` if none can; ``why`` then says what stands
    in the way. ``settled`` says what a simulation found inside the bracket; ``kinds`` are the instances that
    either end is built of.
    """

    pool: PoolPlan | None
    count: int | None
    count_low: int | None
    classes: tuple[ClassPlan, ...]
    cost: Cost | None
    cost_low: Cost | None
    why: str = ""
    settled: str = ""
    kinds: tuple[Any, ...] = field(default=(), repr=False)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "pool": None if self.pool is None else self.pool.document(),
            "count": self.count,
            "count_low": self.count_low,
            "cost": None if self.cost is None else self.cost.document(),
            "cost_low": None if self.cost_low is None else self.cost_low.document(),
            "classes": [c.document() for c in self.classes],
            "why": self.why,
            "settled": self.settled,
        }


@dataclass(frozen=True, slots=True)
class Need:
    """Fractional instances that carry the demand within the objectives, and what rounding does."""

    prefill: float
    decode: float
    how: str

    def carried(self, prefill: int, decode: int) -> float:
        """Share of the demand that whole instances carry, at most 1."""
        return min(1.0, prefill / self.prefill, decode / self.decode)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        from math import ceil, floor

        down = (max(1, floor(self.prefill)), max(1, floor(self.decode)))
        up = (ceil(self.prefill), ceil(self.decode))
        return {
            "prefill": _round(self.prefill),
            "decode": _round(self.decode),
            "ratio": _round(self.prefill / self.decode),
            "rounded_down": {"prefill": down[0], "decode": down[1], "carried": _round(self.carried(*down))},
            "rounded_up": {"prefill": up[0], "decode": up[1], "carried": _round(self.carried(*up))},
            "how": self.how,
        }


@dataclass(frozen=True, slots=True)
class Binding:
    """What fails first when one instance of a pool is taken away, and the objective with the least slack."""

    prefill: str
    decode: str
    tightest: str

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"prefill": self.prefill, "decode": self.decode, "tightest": self.tightest}


def _worst(statuses: list[Status]) -> Status:
    order: tuple[Status, ...] = ("met", "undetermined", "missed")
    return max(statuses, key=order.index, default="met")


def _round(x: float, digits: int = 10) -> float:
    """Round to significant digits, so that the last bits of a platform do not show in the document."""
    return float(f"{x:.{digits}g}")
