"""The scenario: what is asked. One place holds this schema; every later feature extends it here.

Declarative only: names of catalog items stay names, lengths stay as written. ``pdplan.planner.assemble``
turns a scenario into the objects that formulas take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PositiveInt,
    PrivateAttr,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pdplan import units
from pdplan.errors import UnitError
from pdplan.latency.expert_degrees import Degrees as Parallelism
from pdplan.spec.availability import Availability
from pdplan.spec.fields import (
    BytesOrZero,
    BytesPerSecond,
    Fraction,
    PositiveFraction,
    Price,
    Rate,
    Seconds,
    SecondsOrZero,
    SpecModel,
    TokensPerSecond,
)
from pdplan.spec.search_space import SearchSpace
from pdplan.spec.slo import Slo
from pdplan.spec.trace_rate import TraceRate
from pdplan.spec.uncertainty import Uncertainty

Router = Literal["random", "round_robin", "least_work", "jsq", "power_of_two"]
Discipline = Literal["one_at_a_time", "batched", "mm1"]
DtypeName = Literal["fp32", "bf16", "fp16", "fp8", "int8", "fp4", "mxfp4", "int4"]
LENGTH_FORMS: Final = frozenset(
    {"mean", "scv", "min", "max", "lognormal", "geometric", "uniform", "quantiles", "samples", "trace"}
)
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


class InlineLatency(SpecModel):
    """A benchmark in three numbers: maximum prefill throughput, fixed TTFT overhead, batch -> TPOT table."""

    max_prefill: TokensPerSecond = Field(description="Prefill throughput of one instance, saturated [tok/s].")
    overhead: SecondsOrZero = Field(default=0.0, description="Part of TTFT that is not prefill or queue [s].")
    decode_table: dict[PositiveInt, Seconds] = Field(description="Batch size -> TPOT of one instance.")

    @field_validator("decode_table")
    @classmethod
    def _two_rows(cls, value: dict[int, float]) -> dict[int, float]:
        if len(value) < 2:
            raise ValueError(f"decode_table has {len(value)} row: give at least 2 batch sizes")
        return value


class Memory(SpecModel):
    """Accelerator memory: what the engine may use, and how KV is blocked."""

    fraction: PositiveFraction = Field(
        default=0.92, description="Usable share of memory (DistServe's capacities give 0.916 to 0.930)."
    )
    reserve: BytesOrZero = Field(
        default=0.0,
        description="Kept free per GPU beside weights and activations (the fraction covers the rest).",
    )
    block_tokens: PositiveInt = Field(
        default=16, description="KV is allocated in blocks of this many tokens."
    )


class Node(SpecModel):
    """The server: TP stays inside a node or scale-up domain; its NICs carry the KV."""

    gpus: PositiveInt | None = Field(default=None, description="GPUs per node; default from the accelerator.")
    nics: PositiveInt | None = Field(default=None, description="NICs per node; default from the accelerator.")
    whole_nodes: bool = Field(default=False, description="Buy whole nodes: GPUs of the fleet round up.")


def _read_degrees(value: Any) -> tuple[int, ...]:
    degrees = value if isinstance(value, (list, tuple)) else [value]
    if not degrees:
        raise ValueError("value is []: give at least one degree such as [1, 2, 4, 8]")
    for d in degrees:
        if isinstance(d, bool) or not isinstance(d, int) or not 1 <= d <= 1024:
            raise ValueError(f"value is {d!r}: a degree is a whole number from 1 to 1024")
    return tuple(sorted(set(degrees)))


Degrees = Annotated[
    tuple[int, ...],
    BeforeValidator(_read_degrees),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "array", "items": {"type": "integer", "minimum": 1}},
            ]
        }
    ),
]


class Parallel(SpecModel):
    """Degrees of parallelism to choose from."""

    tp: Degrees = Field(default=(1, 2, 4, 8), description="Tensor parallel degrees tried.")
    pp: Degrees = Field(default=(1,), description="Pipeline parallel degrees tried.")
    ep: Degrees = Field(
        default=(1,),
        description="GPUs that share out whole experts: 1 or tp x dp_attention (roofline).",
    )
    dp_attention: Degrees = Field(
        default=(1,), description="Ranks of tp GPUs that attend to requests of their own (roofline)."
    )


class Pool(SpecModel):
    """What prefill and decode pools have in common."""

    accelerator: str | None = Field(default=None, description="Catalog accelerator; default the scenario's.")
    parallel: Parallel = Parallel()
    router: Router = Field(default="round_robin", description="How requests are dealt to instances.")
    prefix_hit: Fraction = Field(
        default=0.0, description="Share of prompt tokens already cached in this pool."
    )


class PrefillPool(Pool):
    """The prefill pool."""

    discipline: Discipline = Field(default="batched", description="How waiting prompts enter a step.")
    max_batch_tokens: PositiveInt = Field(
        default=8192, description="Token budget of one batched prefill step."
    )


class DecodePool(Pool):
    """The decode pool."""

    max_batch: PositiveInt = Field(default=256, le=65536, description="Sequences decoded together, at most.")
    tokens_per_step: float = Field(
        default=1.0, ge=1, le=64, description="Tokens a step yields (speculation, MTP)."
    )
    step_factor: float = Field(
        default=0.95,
        gt=0.1,
        le=1,
        description="In-system decode steps take isolated step time / this factor.",
    )


class ColocatedPool(SpecModel):
    """The colocated fleet that the split is compared with: same engine, same latency model."""

    discipline: Literal["chunked", "prefill_first"] = Field(
        default="chunked", description="How prompts share steps."
    )
    chunk_tokens: PositiveInt = Field(default=2048, description="Token budget of one step.")
    max_batch: PositiveInt = Field(default=256, le=65536, description="Sequences in one step, at most.")
    parallel: Parallel | None = Field(default=None, description="Degrees tried; default the prefill pool's.")


class Scenario(SpecModel):
    """A planning question: model, hardware, traffic, objectives. See docs/nomenclature.md for the words.

    Examples
    --------
    >>> sc = Scenario.model_validate({
    ...     "version": 1, "model": "llama-3.1-70b", "accelerator": "h100-sxm-80gb", "link": "ib-ndr-400g",
    ...     "classes": [{"name": "chat", "rate": "8 req/s", "workload": "azure-conv-2023",
    ...                  "slo": {"ttft": {"p99": "2 s"}, "tpot": {"p95": "50 ms"}}}]})
    >>> sc.classes[0].rate, sc.decode.step_factor, sc.memory.fraction
    (8.0, 0.95, 0.92)
    """

    version: Literal[1] = Field(description="Version of this schema.")
    name: str | None = Field(default=None, description="A title for the reader.")
    model: str = Field(description="Catalog model, or a path to a Hugging Face config.json.")
    accelerator: str = Field(description="Catalog accelerator.")
    link: str = Field(description="Catalog link that carries KV from prefill to decode.")
    link_bandwidth: BytesPerSecond | None = Field(
        default=None,
        description="Bandwidth of one port of the link, one direction, in place of its own and its software "
        "cap, e.g. 200 Gb/s.",
    )
    classes: tuple[RequestClass, ...] = Field(min_length=1, max_length=64, description="The request classes.")
    total_tokens: TokensPerSecond | None = Field(
        default=None,
        description="Prompt plus output tokens per second of all classes, instead of their rates.",
    )
    latency: str | InlineLatency = Field(
        default="roofline",
        description="roofline, a profile, aiconfigurator:SYSTEM/BACKEND, or a benchmark table.",
    )
    weights_dtype: DtypeName | None = Field(default=None, description="Default: as the model was released.")
    kv_dtype: DtypeName = Field(default="bf16", description="fp8 halves the freight.")
    memory: Memory = Memory()
    node: Node = Node()
    prefill: PrefillPool = PrefillPool()
    decode: DecodePool = DecodePool()
    colocated: ColocatedPool = ColocatedPool()
    first_token_from: Literal["decode", "prefill"] = Field(
        default="decode", description="Which pool emits the first token: decode includes KV transfer in TTFT."
    )
    overlap: Fraction = Field(
        default=0.0, description="Share of prefill that layer-wise KV streaming may hide behind."
    )
    max_utilization: PositiveFraction = Field(
        default=0.85, description="No station is planned above this load."
    )
    prices: dict[str, Price] = Field(default={}, description="Your price per GPU-hour by accelerator name.")
    fleet: FixedFleet | None = Field(
        default=None, description="A fleet to judge beside the one pdplan finds."
    )
    search: SearchSpace | None = Field(default=None, description="What `pdplan designs` searches over.")
    uncertainty: Uncertainty | None = Field(
        default=None, description="How far inputs may be off: what `pdplan doubt` samples."
    )
    availability: Availability | None = Field(
        default=None, description="Failures and repairs: what `pdplan spares` counts from."
    )

    _origin: Origin | None = PrivateAttr(default=None)

    @field_validator("classes", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Accept a mapping name -> class as well as a list."""
        if isinstance(value, Mapping):
            return [{"name": k, **v} if isinstance(v, Mapping) else v for k, v in value.items()]
        return value

    @model_validator(mode="after")
    def _traffic_once(self) -> Self:
        names = [c.name for c in self.classes]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise ValueError(f"two classes are named {twice!r}: give each its own name")
        for c in self.classes:
            if self.total_tokens is None:
                if c.rate is None:
                    raise ValueError(
                        f"class {c.name} has no rate: add rate: 8 req/s, or total_tokens to the scenario"
                    )
                if c.share is not None:
                    raise ValueError(
                        f"class {c.name} has a share but the scenario has no total_tokens: drop one"
                    )
            elif c.rate is not None:
                raise ValueError(f"class {c.name} has a rate and the scenario has total_tokens: keep one")
            elif c.share is None and len(self.classes) > 1:
                raise ValueError(f"class {c.name} has no share of total_tokens: add share: 50%")
        if self.total_tokens is not None and len(self.classes) > 1:
            total = sum(c.share or 0.0 for c in self.classes)
            if abs(total - 1.0) > 1e-6:
                raise ValueError(f"shares sum to {total:.4g}: they must sum to 100%")
        return self

    @property
    def origin(self) -> Origin:
        """Where each value was written, for messages."""
        return self._origin or Origin("scenario", {})

    @classmethod
    def load(cls, source: str, *, overrides: tuple[str, ...] = ()) -> Scenario:
        """Read a scenario from a YAML file, or from standard input for ``-``. See `pdplan.spec.loading`."""
        from pdplan.spec.loading import load_scenario

        return load_scenario(source, overrides=overrides)


class FixedPool(SpecModel):
    """One pool of a stated fleet."""

    count: PositiveInt = Field(le=100_000)
    tp: PositiveInt = 1
    pp: PositiveInt = 1
    dp_attention: PositiveInt = 1
    ep: PositiveInt = 1

    @property
    def degrees(self) -> Parallelism:
        """Degrees of parallelism of one instance."""
        return Parallelism(self.tp, self.pp, self.dp_attention, self.ep)


class FixedFleet(SpecModel):
    """A stated fleet."""

    prefill: FixedPool
    decode: FixedPool


class Origin:
    """File and line of each value of a scenario."""

    def __init__(self, source: str, lines: Mapping[tuple[str | int | float, ...], int]) -> None:
        self.source = source
        self._lines = lines

    def at(self, path: tuple[str | int | float, ...]) -> str:
        """Return ``file:line`` of the value at ``path``, or of its closest parent that was written."""
        for end in range(len(path), 0, -1):
            line = self._lines.get(path[:end])
            if line is not None:
                return f"{self.source}:{line}"
        return self.source


Scenario.model_rebuild()
