"""The JSON Schema of scenario files, generated from the models, so that editors complete them.

The committed copy is ``models/schema/scenario.schema.json``; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from pdplan.spec.fields import KEY_UNITS
from pdplan.spec.scenario import Scenario


def scenario_schema() -> dict[str, Any]:
    """Return the schema of scenario files, keys with units included.

    Examples
    --------
    >>> schema = scenario_schema()
    >>> schema["required"]
    ['version', 'model', 'accelerator', 'link', 'classes']
    """
    schema = Scenario.model_json_schema(mode="validation")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pdplan scenario", **schema}
    for definition in (schema, *schema["$defs"].values()):
        _allow_units_in_keys(definition)
    # A mapping name -> class is read as well as a list of classes.
    classes = schema["properties"]["classes"]
    by_name = {"type": "object", "additionalProperties": {"type": "object"}}
    schema["properties"]["classes"] = {"anyOf": [classes, by_name]}
    return schema


_DIMENSION_UNITS = {
    "s": ("ns", "us", "ms", "s", "min"),
    "req/s": ("req/s", "req/min"),
    "tok/s": ("tok/s", "tok/min"),
    "B": ("GiB", "GB", "B"),
    "USD/h": ("USD/h",),
}


def _allow_units_in_keys(definition: dict[str, Any]) -> None:
    """Let ``rate_req_per_s: 8`` stand for ``rate: 8 req/s`` in one object schema."""
    extra: dict[str, Any] = {}
    for name, field in definition.get("properties", {}).items():
        branches = [field, *field.get("anyOf", [])]
        units = {u for b in branches for u in _DIMENSION_UNITS.get(b.get("x-unit", ""), ())}
        for suffix, unit in KEY_UNITS.items():
            if unit in units:
                extra[name + suffix] = {"type": ["number", "object"], "description": f"{name} in {unit}"}
    definition.get("properties", {}).update(extra)
