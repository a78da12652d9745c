"""One class of requests: its rate, its lengths as written, its objectives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from pdplan import units
from pdplan.errors import UnitError
from pdplan.spec.fields import Fraction, PositiveFraction, Rate, SpecModel
from pdplan.spec.slo import Slo
from pdplan.spec.trace_rate import TraceRate

_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")


def _read_lengths(value: Any) -> float | dict[str, Any] | None:
    """Keep a length form as written; only its outermost shape is checked here."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        known = {
            "mean",
            "p50",
            "p90",
            "p95",
            "p99",
            "scv",
            "lognormal",
            "geometric",
            "uniform",
            "quantiles",
            "trace",
        }
        unknown = [str(k) for k in value if str(k) not in known and not re.match(r"^p\d", str(k))]
        if unknown or not value:
            raise UnitError(
                f"value is {dict(value)!r}: give a number of tokens, {{mean: .., p50: .., p99: ..}}, "
                "{lognormal: {..}}, {quantiles: {..}} or {trace: file}"
            )
        return {str(k): v for k, v in value.items()}
    number = units.parse(value, "tokens")
    if number < 1:
        raise UnitError(f"value is {value!r}: a request has at least 1 token")
    return number


Lengths = Annotated[
    float | dict[str, Any] | None,
    BeforeValidator(_read_lengths),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["number", "string"], "examples": [2048, "6144 tok"]},
                {"type": "object", "examples": [{"mean": 1155, "p50": 1020, "p99": 4000}]},
                {"type": "null"},
            ]
        }
    ),
]


class RequestClass(SpecModel):
    """One class of requests: how many, how long, how fast they must be served."""

    name: str = Field(default="all", description="A word that names the class.")
    rate: TraceRate | Rate | None = Field(
        default=None,
        description="Poisson arrival rate, e.g. 8 req/s, or {trace: file, plan_for: p99 of 60 s windows}.",
    )
    share: PositiveFraction | None = Field(
        default=None,
        description="Share of requests, where total_tokens sets the traffic of all classes together.",
    )
    workload: str | None = Field(
        default=None,
        description="Catalog workload, workload file or trace that gives both length laws; default: the "
        "trace of the rate, if it is one.",
    )
    prompt_tokens: Lengths = Field(default=None, description="Law of prompt lengths [tok].")
    output_tokens: Lengths = Field(default=None, description="Law of output lengths [tok].")
    length_correlation: float | None = Field(
        default=None, ge=-1, le=1, description="Pearson correlation of prompt and output token counts."
    )
    prefix_hit: Fraction | None = Field(
        default=None,
        description="Share of prompt tokens found in the prefill prefix cache (overrides the pool's).",
    )
    slo: Slo

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.match(value):
            raise ValueError(f"value is {value!r}: use letters, digits, '-', '_', '.', '+'")
        return value

    @model_validator(mode="after")
    def _lengths_once(self) -> Self:
        lengths = self.prompt_tokens is not None or self.output_tokens is not None
        if self.workload is not None and lengths:
            raise ValueError("workload and prompt_tokens/output_tokens are both given: keep one")
        if isinstance(self.rate, TraceRate) and self.workload is None and not lengths:
            return self  # the trace that gives the rate gives the lengths too
        if self.workload is None and (self.prompt_tokens is None or self.output_tokens is None):
            missing = [f for f in ("prompt_tokens", "output_tokens") if getattr(self, f) is None]
            raise ValueError(
                f"lengths are missing: add workload: azure-conv-2023, or {' and '.join(missing)}"
            )
        if self.workload is not None and self.length_correlation is not None:
            raise ValueError(
                "length_correlation is part of a catalog workload: drop it, or write the lengths out"
            )
        return self
