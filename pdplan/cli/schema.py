"""`pdplan schema`: the JSON Schema of scenario files."""

from __future__ import annotations

from pdplan.cli.output import print_json
from pdplan.spec.json_schema import scenario_schema


def run() -> None:
    """Print the schema."""
    print_json(scenario_schema())
