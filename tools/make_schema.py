"""Write the committed JSON Schema of scenario files: python tools/make_schema.py"""

from __future__ import annotations

import json
from pathlib import Path

from pdplan.spec.json_schema import scenario_schema

TARGET = Path(__file__).resolve().parents[1] / "models" / "schema" / "scenario.schema.json"

if __name__ == "__main__":
    TARGET.write_text(json.dumps(scenario_schema(), indent=2) + "\n")
