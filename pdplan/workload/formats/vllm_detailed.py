"""Detailed results of ``vllm bench serve --save-detailed``: one JSON object with a list for each quantity.

``input_lens`` and ``output_lens`` [tok] and, in recent versions, ``start_times`` [s] of a clock without an
origin (https://docs.vllm.ai, Benchmark CLI). Failed requests (an entry in ``errors``, or no output) are left
out and counted. Without ``start_times`` the result has lengths only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pdplan.workload.formats.columns import Columns, number, tokens

NAME = "vLLM detailed benchmark JSON"


def is_document(document: object) -> bool:
    """Return whether this is such a result, with its lists."""
    return isinstance(document, Mapping) and "input_lens" in document and "output_lens" in document


def read_document(document: Mapping[str, Any]) -> Columns:
    """Return the requests of a result.

    Raises
    ------
    ValueError
        Lists of different length, or a value that is no length or time (with its index from 0).
    """
    prompts, outputs = _list(document, "input_lens"), _list(document, "output_lens")
    starts = _list(document, "start_times") if "start_times" in document else None
    errors = document.get("errors") or [""] * len(prompts)
    for name, values in (("output_lens", outputs), ("start_times", starts), ("errors", errors)):
        if values is not None and len(values) != len(prompts):
            raise ValueError(f"{len(prompts)} input_lens and {len(values)} {name}: they must be as many")
    kept = [i for i in range(len(prompts)) if outputs[i] != 0 and not errors[i]]
    return Columns(
        None if starts is None else np.array([_at(number, starts, i, "start_times") for i in kept]),
        np.array([_at(tokens, prompts, i, "prompt") for i in kept], dtype=np.int32),
        np.array([_at(tokens, outputs, i, "output") for i in kept], dtype=np.int32),
        failures=len(prompts) - len(kept),
    )


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    values = document[key]
    if not isinstance(values, list):
        raise ValueError(f"{key} is not a list")
    return values


def _at(check: Any, values: list[Any], i: int, what: str) -> float:
    try:
        found: float = check(values[i], what)
    except (TypeError, ValueError) as error:
        raise ValueError(f"request {i}: {error}") from None
    return found
