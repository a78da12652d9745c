"""Mooncake traces and their relatives: the replays of NVIDIA Dynamo and AIPerf.

A JSON object on each line with ``timestamp`` [ms], ``input_length``, ``output_length`` and ``hash_ids``, one
identity for each block of 512 tokens, chained from the start of the prompt
(https://github.com/kvcache-ai/Mooncake). Dynamo (docs.nvidia.com/dynamo, Mocker Trace Replay) takes
``created_time``, ``input_tokens`` and ``output_tokens`` as other names of the first three, other block sizes,
and sessions: turns share a ``session_id``, and later turns may have ``delay`` (or ``delay_ms``) [ms] after
the turn before in place of a time.
"""

from __future__ import annotations

from pdplan.workload.formats.layout import Layout

NAME = "Mooncake JSONL (Dynamo and AIPerf replay)"
BLOCK_TOKENS = 512
_OTHER_BLOCKS = (16, 32, 64, 128, 256, 1024)
_TIMES = ("timestamp", "created_time")
_PROMPTS = ("input_length", "input_tokens")
_OUTPUTS = ("output_length", "output_tokens")


def recognise_json(keys: frozenset[str]) -> Layout | None:
    """Return the layout where a time, both lengths and (or in a session) block identities are there."""
    time = next((k for k in _TIMES if k in keys), None)
    prompt = next((k for k in _PROMPTS if k in keys), None)
    output = next((k for k in _OUTPUTS if k in keys), None)
    session = "session_id" if "session_id" in keys else None
    if time is None or prompt is None or output is None or not ("hash_ids" in keys or session):
        return None
    return Layout(
        "Mooncake JSONL",
        "jsonl",
        prompt=prompt,
        output=output,
        time=time,
        time_unit_s=1e-3,
        hashes="hash_ids" if "hash_ids" in keys else None,
        block_tokens=BLOCK_TOKENS if "hash_ids" in keys else None,
        block_choices=_OTHER_BLOCKS,
        session=session,
        delay=("delay_ms" if "delay_ms" in keys else "delay") if session else None,
    )
