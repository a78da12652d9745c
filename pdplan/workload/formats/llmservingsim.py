"""Flat requests of LLMServingSim 2.0 (https://github.com/casys-kaist/LLMServingSim, MIT).

A JSON object on each line: ``input_toks``, ``output_toks`` and ``arrival_time_ns`` [ns].
"""

from __future__ import annotations

from pdplan.workload.formats.layout import Layout

NAME = "LLMServingSim JSONL"


def recognise_json(keys: frozenset[str]) -> Layout | None:
    """Return the layout where the three keys are there."""
    if not keys >= {"input_toks", "output_toks", "arrival_time_ns"}:
        return None
    return Layout(
        NAME, "jsonl", prompt="input_toks", output="output_toks", time="arrival_time_ns", time_unit_s=1e-9
    )
