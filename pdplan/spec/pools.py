"""The pools of a fleet: what is tried for each, and fleets that are stated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, WithJsonSchema

from pdplan.latency.expert_degrees import Degrees as Parallelism
from pdplan.spec.fields import Fraction, SpecModel

Router = Literal["random", "round_robin", "least_work", "jsq", "power_of_two"]
Discipline = Literal["one_at_a_time", "batched", "mm1"]


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
