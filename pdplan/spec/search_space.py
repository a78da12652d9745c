"""What `pdplan designs` searches over, beside the parallelism and the traffic that every scenario states."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, WithJsonSchema

from pdplan.spec.by_accelerator import ByCatalogName
from pdplan.spec.fields import Fraction, SpecModel

ObjectiveName = Literal["cost", "gpus", "power"]


def _read_list(value: Any) -> Any:
    """Take a single value for a list of one, and drop what is listed twice."""
    listed = value if isinstance(value, (list, tuple)) else [value]
    plain = all(isinstance(v, (str, int, float)) for v in listed)
    return tuple(dict.fromkeys(listed)) if plain else listed


_ONE_OR_MORE = BeforeValidator(_read_list)


def _listed(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item}]})


_WHOLE = _listed({"type": "integer", "minimum": 1})
_BATCH = Annotated[int, Field(ge=1, le=65536)]
_INNER = Annotated[Fraction, Field(gt=0, lt=1)]


class SearchSpace(SpecModel):
    """The ways to build the fleet that `pdplan designs` ranks.

    Examples
    --------
    >>> space = SearchSpace.model_validate({"stock": {"h100-sxm-80gb": 16}, "chunk_tokens": [512, 2048]})
    >>> space.objective, space.chunk_tokens, space.stock
    ('cost', (512, 2048), {'h100-sxm-80gb': 16})
    """

    accelerators: Annotated[tuple[str, ...], _ONE_OR_MORE, _listed({"type": "string"})] = Field(
        default=(),
        description="Catalog accelerators that a pool may be built of; a pool that names its own keeps it. "
        "Default: the scenario's.",
    )
    stock: Annotated[dict[str, NonNegativeInt], ByCatalogName] = Field(
        default={}, description="Most GPUs of an accelerator, by name; without a line there is no limit."
    )
    objective: ObjectiveName = Field(
        default="cost", description="What is made small: cost per hour, number of GPUs, or power."
    )
    chunk_tokens: Annotated[tuple[PositiveInt, ...], _ONE_OR_MORE, _WHOLE] = Field(
        default=(), description="Token budgets of a colocated step to choose from. Default: the scenario's."
    )
    max_batch: Annotated[tuple[_BATCH, ...], _ONE_OR_MORE, _WHOLE] = Field(
        default=(), description="Batch caps of decode and colocated pools to choose from. Default: theirs."
    )
    length_quantiles: Annotated[
        tuple[_INNER, ...],
        _ONE_OR_MORE,
        _listed({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
    ] = Field(
        default=(0.5, 0.9),
        description="Quantiles of the prompt length at which a class may be cut: shorter prompts colocated, "
        "longer ones split. [] for none.",
    )
