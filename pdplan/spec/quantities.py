"""Pydantic field types that read quantities with units, and the source every catalog number carries."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from pdplan.errors import UnitError
from pdplan.units import parse


def _reader(dimension: str) -> Callable[[Any], float]:
    """Return a validator that turns ``"80 GB"`` into SI, and refuses zero and negative values."""

    def read(value: Any) -> float:
        number = parse(value, dimension)
        if not number > 0:
            raise UnitError(f"value is {value!r}: it must be greater than 0")
        return number

    return read


def _schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": f'a quantity such as "{example}"'})


Bytes = Annotated[float, BeforeValidator(_reader("bytes")), _schema("80 GB")]
BytesPerSecond = Annotated[float, BeforeValidator(_reader("bytes_per_s")), _schema("400 Gb/s")]
FlopsPerSecond = Annotated[float, BeforeValidator(_reader("flops_per_s")), _schema("989 TFLOP/s")]
Seconds = Annotated[float, BeforeValidator(_reader("time")), _schema("10 us")]
Watts = Annotated[float, BeforeValidator(_reader("power")), _schema("700 W")]
PositiveCount = Annotated[int, Field(ge=1, le=1_000_000)]
CatalogName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class CatalogItem(BaseModel):
    """A catalog entry: immutable, no unknown keys, YAML keys without the unit in their name."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Source(CatalogItem):
    """Where a number comes from, and when somebody last looked."""

    what: str = Field(min_length=3, description="which numbers this source gives")
    url: str = Field(pattern=r"^https?://\S+$")
    checked: datetime.date


class NamedItem(CatalogItem):
    """What every catalog entry has: a name, other names it goes by, and sources."""

    name: CatalogName
    aliases: tuple[str, ...] = ()
    notes: str = ""
    sources: tuple[Source, ...] = Field(min_length=1)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.name))
