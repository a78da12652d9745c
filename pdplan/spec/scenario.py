"""The scenario: what is asked. One place holds this schema; every later feature extends it here.

Declarative only: names of catalog items stay names, lengths stay as written. ``pdplan.planner.assemble``
turns a scenario into the objects that formulas take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    PositiveInt,
    PrivateAttr,
    field_validator,
    model_validator,
)

from pdplan.spec.availability import Availability
from pdplan.spec.by_accelerator import ByCatalogName
from pdplan.spec.fields import (
    BytesOrZero,
    BytesPerSecond,
    Fraction,
    PositiveFraction,
    Price,
    Seconds,
    SecondsOrZero,
    SpecModel,
    TokensPerSecond,
)
from pdplan.spec.pools import ColocatedPool, DecodePool, FixedFleet, PrefillPool
from pdplan.spec.request_class import RequestClass
from pdplan.spec.search_space import SearchSpace
from pdplan.spec.uncertainty import Uncertainty

DtypeName = Literal["fp32", "bf16", "fp16", "fp8", "int8", "fp4", "mxfp4", "int4"]


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
    prices: Annotated[dict[str, Price], ByCatalogName] = Field(
        default={}, description="Your price per GPU-hour by accelerator name."
    )
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
