"""Field types of the spec: a quantity with its unit in the value, or in the key.

``ttft: 2 s`` and ``ttft_ms: 2000`` are the same. A field type reads strings with `pdplan.units.parse`, holds
the SI float, and writes back an exact string: a scenario survives the round trip through YAML or JSON.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from pdplan import units
from pdplan.errors import UnitError


def _quantity(
    dimension: str, example: str, *, zero_ok: bool = False, low: float = 0.0, high: float = math.inf
) -> Any:
    """Return the annotation of a non-negative float of ``dimension``, between ``low`` and ``high``."""
    si = units.DIMENSIONS[dimension][0]

    def read(value: object) -> float:
        number = units.parse(value, dimension)
        if number < 0 or (number == 0 and not zero_ok):
            raise UnitError(f"value is {value!r}: it must be {'at least' if zero_ok else 'greater than'} 0")
        if not low <= number <= high:
            raise UnitError(f"value is {value!r}: it must lie between {low:g} and {high:g} {si}")
        return number

    def write(value: float) -> str | float:
        return f"{value!r} {si}" if si else value

    schema: dict[str, Any] = {"type": ["string", "number"], "examples": [example], "x-unit": si or "1"}
    return (BeforeValidator(read), PlainSerializer(write), WithJsonSchema(schema))


Seconds = Annotated[float, *_quantity("time", "400 ms")]
SecondsOrZero = Annotated[float, *_quantity("time", "100 ms", zero_ok=True)]
#: Below, a request in 30 years; above, more than the world asks: either is a slip of the pen.
Rate = Annotated[float, *_quantity("rate", "8 req/s", low=1e-9, high=1e9)]
Tokens = Annotated[float, *_quantity("tokens", "2048 tok")]
TokensPerSecond = Annotated[float, *_quantity("tokens_per_s", "5 M tok/min")]
Bytes = Annotated[float, *_quantity("bytes", "80 GB")]
BytesPerSecond = Annotated[float, *_quantity("bytes_per_s", "400 Gb/s")]
FlopsPerSecond = Annotated[float, *_quantity("flops_per_s", "989 TFLOP/s")]
Watts = Annotated[float, *_quantity("power", "700 W")]
BytesOrZero = Annotated[float, *_quantity("bytes", "4 GiB", zero_ok=True)]
Price = Annotated[float, *_quantity("price", "2.5 USD/h", zero_ok=True)]
Fraction = Annotated[float, *_quantity("fraction", "90%", zero_ok=True), Field(ge=0, le=1)]
PositiveFraction = Annotated[float, *_quantity("fraction", "90%"), Field(le=1)]

#: suffix of a key -> unit its bare number is in
KEY_UNITS: Final = {
    "_ns": "ns",
    "_us": "us",
    "_ms": "ms",
    "_s": "s",
    "_min": "min",
    "_gib": "GiB",
    "_gb": "GB",
    "_bytes": "B",
    "_req_per_s": "req/s",
    "_req_per_min": "req/min",
    "_tok_per_s": "tok/s",
    "_tok_per_min": "tok/min",
    "_usd_per_h": "USD/h",
}


class SpecModel(BaseModel):
    """Base of every scenario model: frozen, no unknown keys, units allowed in the key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _units_in_keys(cls, data: Any) -> Any:
        """Turn ``ttft_ms: 400`` into ``ttft: "400 ms"`` where ``ttft`` is a field and ``ttft_ms`` is not."""
        return keys_with_units(data, cls.model_fields)


def keys_with_units(data: Any, fields: Any) -> Any:
    """Rewrite number-valued keys that end in a unit to the field they name, value with unit."""
    if not isinstance(data, dict):
        return data
    result: dict[Any, Any] = {}
    for key, value in data.items():
        target, unit = _split_key(key, fields)
        if unit is None:
            result[key] = value
            continue
        if target in data:
            raise UnitError(f"both {target!r} and {key!r} are given: keep one")
        result[target] = _with_unit(value, unit, key)
    return result


def _split_key(key: Any, fields: Any) -> tuple[Any, str | None]:
    """Return (field, unit) if ``key`` is a field name followed by a unit, else (key, None)."""
    if isinstance(key, str) and key not in fields:
        for suffix, unit in KEY_UNITS.items():
            if key.endswith(suffix) and key[: -len(suffix)] in fields:
                return key[: -len(suffix)], unit
    return key, None


def _with_unit(value: Any, unit: str, key: str) -> Any:
    """Append ``unit`` to a bare number, also inside a mapping; refuse a second unit."""
    if isinstance(value, dict):
        return {k: _with_unit(v, unit, key) for k, v in value.items()}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value!r} {unit}"
    raise UnitError(f"{key} is {value!r}: its unit is in the key, so give a bare number")
