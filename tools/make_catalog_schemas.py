"""Write models/schema/*.schema.json of the catalog from its pydantic models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pdplan.spec.accelerator import Accelerator
from pdplan.spec.link import Link
from pdplan.spec.model_spec import ModelSpec

FOLDER = Path(__file__).resolve().parents[1] / "models" / "schema"
MODELS: dict[str, type[BaseModel]] = {"architecture": ModelSpec, "accelerator": Accelerator, "link": Link}


def schema_text(name: str) -> str:
    schema: dict[str, Any] = MODELS[name].model_json_schema(by_alias=True)
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        (FOLDER / f"{name}.schema.json").write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
