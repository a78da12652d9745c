"""Service-level objectives: mean or percentile targets, or joint attainment.

Grammar::

    slo: {ttft: {p99: 2 s}, tpot: {p95: 50 ms, mean: 30 ms}}     # mean or any pXX of ttft, tpot, itl, e2e
    slo: {attainment: 90%, ttft: 200 ms, tpot: 100 ms}           # P(TTFT <= 200 ms and TPOT <= 100 ms) >= 90%
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema, model_validator

from pdplan import units
from pdplan.errors import UnitError
from pdplan.spec.fields import SpecModel

Metric = Literal["ttft", "tpot", "itl", "e2e"]
METRICS: Final[tuple[Metric, ...]] = ("ttft", "tpot", "itl", "e2e")
_STAT: Final = re.compile(r"^(mean|p(\d{1,2}(\.\d+)?))$")


@dataclass(frozen=True, slots=True)
class Target:
    """One limit: ``stat`` of ``metric`` at most ``limit_s``; ``probability`` is None for the mean."""

    metric: Metric
    stat: str
    limit_s: float

    @property
    def probability(self) -> float | None:
        """0.99 for p99; None for the mean."""
        return None if self.stat == "mean" else round(float(self.stat[1:]) / 100.0, 12)

    def __str__(self) -> str:
        """Return e.g. ``ttft p99 <= 2 s``."""
        return f"{self.metric} {self.stat} <= {units.show(self.limit_s, 'time')}"


@dataclass(frozen=True, slots=True)
class JointTarget:
    """P(TTFT <= ttft_s and TPOT <= tpot_s) at least ``attainment``."""

    attainment: float
    ttft_s: float
    tpot_s: float

    def __str__(self) -> str:
        """Return e.g. ``90% within ttft 200 ms and tpot 100 ms``."""
        ttft, tpot = units.show(self.ttft_s, "time"), units.show(self.tpot_s, "time")
        return f"{units.show(self.attainment, 'fraction')} within ttft {ttft} and tpot {tpot}"


def _limit(value: Any, what: str) -> float:
    limit = units.parse(value, "time", what=what)
    if limit <= 0:
        raise UnitError(f"{what} is {value!r}: a latency objective must be greater than 0")
    return limit


def _read_limits(value: Any) -> dict[str, float] | float | None:
    """Read ``{p99: 2 s}`` to ``{"p99": 2.0}``, or a bare ``200 ms`` (joint form) to its seconds."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return _limit(value, "value")
    if not value:
        raise UnitError("value is {}: give at least one limit such as {p99: 2 s}")
    limits: dict[str, float] = {}
    for stat, limit in value.items():
        name = str(stat).lower()
        match = _STAT.match(name)
        if match is None or (match[2] is not None and not 0 < float(match[2]) < 100):
            raise UnitError(
                f"statistic {stat!r} is not understood: use mean, p50, p95, p99 or any pXX below p100"
            )
        limits[name] = _limit(limit, name)
    ordered = sorted((float(s[1:]), v, s) for s, v in limits.items() if s != "mean")
    for (_, low, a), (_, high, b) in itertools.pairwise(ordered):
        if high < low:
            raise UnitError(
                f"{b} limit {units.show(high, 'time')} is below the {a} limit {units.show(low, 'time')}: "
                "a higher percentile cannot be smaller, so drop the looser one"
            )
    return limits


def _write_limits(value: dict[str, float] | float | None) -> Any:
    if isinstance(value, dict):
        return {k: f"{v!r} s" for k, v in value.items()}
    return None if value is None else f"{value!r} s"


_SCHEMA: Final = {
    "anyOf": [
        {"type": "string", "examples": ["200 ms"]},
        {
            "type": "object",
            "patternProperties": {r"^(mean|p\d{1,2}(\.\d+)?)$": {"type": "string", "examples": ["2 s"]}},
            "additionalProperties": False,
        },
        {"type": "null"},
    ]
}
Limits = Annotated[
    dict[str, float] | float | None,
    BeforeValidator(_read_limits),
    PlainSerializer(_write_limits),
    WithJsonSchema(_SCHEMA),
]


def _read_attainment(value: Any) -> float | None:
    if value is None:
        return None
    share = units.parse(value, "fraction")
    if not 0 < share < 1:
        raise UnitError(f"value is {value!r}: attainment must lie between 0% and 100%, ends excluded")
    return share


class Slo(SpecModel):
    """The objectives of one class.

    Examples
    --------
    >>> slo = Slo.model_validate({"ttft": {"p99": "2 s"}, "tpot": {"p95": "50 ms"}})
    >>> [str(t) for t in slo.targets]
    ['ttft p99 <= 2 s', 'tpot p95 <= 50 ms']
    >>> str(Slo.model_validate({"attainment": "90%", "ttft": "200 ms", "tpot": "100 ms"}).joint)
    '90% within ttft 200 ms and tpot 100 ms'
    """

    ttft: Limits = None
    tpot: Limits = None
    itl: Limits = None
    e2e: Limits = None
    attainment: Annotated[
        float | None,
        BeforeValidator(_read_attainment),
        WithJsonSchema({"type": ["string", "number", "null"], "examples": ["90%"]}),
    ] = None

    @model_validator(mode="after")
    def _whole(self) -> Slo:
        given = {m: getattr(self, m) for m in METRICS if getattr(self, m) is not None}
        if not given:
            raise UnitError(
                "no objective given: add ttft or tpot, e.g. {ttft: {p99: 2 s}, tpot: {p95: 50 ms}}"
            )
        bare = [m for m, v in given.items() if not isinstance(v, dict)]
        if self.attainment is None:
            if bare:
                raise UnitError(
                    f"{bare[0]} has no statistic: say {bare[0]}: {{p99: ...}} or {{mean: ...}}, "
                    "or add attainment: 90%"
                )
        elif bare != ["ttft", "tpot"]:
            raise UnitError(
                "attainment is joint: it needs plain ttft and tpot limits, e.g. ttft: 200 ms, tpot: 100 ms"
            )
        return self

    @property
    def targets(self) -> tuple[Target, ...]:
        """Marginal targets, in the order ttft, tpot, itl, e2e."""
        given = ((m, getattr(self, m)) for m in METRICS)
        return tuple(
            Target(metric, stat, limit)
            for metric, limits in given
            if isinstance(limits, dict)
            for stat, limit in limits.items()
        )

    @property
    def joint(self) -> JointTarget | None:
        """The joint target, if attainment was given."""
        if self.attainment is None or not isinstance(self.ttft, float) or not isinstance(self.tpot, float):
            return None
        return JointTarget(self.attainment, self.ttft, self.tpot)

    @property
    def objectives(self) -> tuple[Target | JointTarget, ...]:
        """Every target: the marginal ones, then the joint one."""
        return (*self.targets, *(() if self.joint is None else (self.joint,)))
