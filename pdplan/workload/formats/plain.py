"""Plain CSV and JSONL: any columns, as long as their names say what they hold and in which unit.

===========  =======================================================================================
what         names (case does not matter)
===========  =======================================================================================
arrival      ``arrival``, ``arrival_time``, ``arrived_at``, ``timestamp``, ``time``, ``start_time``,
             ``created_at`` followed by ``_s``, ``_ms``, ``_us`` or ``_ns``; without a unit only where the
             values are dates with a time of day (ISO 8601). No such column: lengths only
prompt       ``prompt_tokens``, ``input_tokens``, ``prompt_length``, ``input_length``, ``prompt_len``,
             ``input_len``, ``prefill_tokens``, ``context_tokens``, ``isl``
output       ``output_tokens``, ``completion_tokens``, ``generated_tokens``, ``response_tokens``,
             ``output_length``, ``output_len``, ``decode_tokens``, ``osl``
class        ``class``, ``request_type``, ``type``, ``application_id``, ``application``, ``tenant``, ``model``
session      ``session_id``, ``conversation_id``, ``chat_id``
===========  =======================================================================================
"""

from __future__ import annotations

from typing import Final, Literal

from pdplan.workload.formats.layout import Layout, folded

NAME: Final = "plain CSV or JSONL (arrival_s, prompt_tokens, output_tokens)"
_TIMES: Final = ("arrival", "arrival_time", "arrived_at", "timestamp", "time", "start_time", "created_at")
_UNITS: Final = {"_s": 1.0, "_ms": 1e-3, "_us": 1e-6, "_ns": 1e-9}
_PROMPTS: Final = (
    "prompt_tokens",
    "input_tokens",
    "prompt_length",
    "input_length",
    "prompt_len",
    "input_len",
    "prefill_tokens",
    "context_tokens",
    "isl",
)
_OUTPUTS: Final = (
    "output_tokens",
    "completion_tokens",
    "generated_tokens",
    "response_tokens",
    "output_length",
    "output_len",
    "decode_tokens",
    "osl",
)
_LABELS: Final = ("class", "request_type", "type", "application_id", "application", "tenant", "model")
_SESSIONS: Final = ("session_id", "conversation_id", "chat_id")


def recognise_csv(header: tuple[str, ...]) -> Layout | None:
    """Return the layout where both lengths are named."""
    return _recognise(folded(header), "csv", header)


def recognise_json(keys: frozenset[str]) -> Layout | None:
    """Return the layout where both lengths are named."""
    return _recognise(folded(tuple(sorted(keys))), "jsonl", ())


def _recognise(
    names: dict[str, str], kind: Literal["csv", "jsonl"], header: tuple[str, ...]
) -> Layout | None:
    prompt = next((names[k] for k in _PROMPTS if k in names), None)
    output = next((names[k] for k in _OUTPUTS if k in names), None)
    if prompt is None or output is None:
        return None
    time, unit = _time(names)
    return Layout(
        f"plain {kind.upper()}",
        kind,
        prompt=prompt,
        output=output,
        time=time,
        time_unit_s=unit,
        header=header,
        labels=tuple(names[k] for k in _LABELS if k in names)[:1],
        session=next((names[k] for k in _SESSIONS if k in names), None),
    )


def _time(names: dict[str, str]) -> tuple[str | None, float | None]:
    """Return the column of the arrival and its unit [s]; None for dates."""
    for stem in _TIMES:
        for suffix, unit_s in _UNITS.items():
            if stem + suffix in names:
                return names[stem + suffix], unit_s
    return next((names[stem] for stem in _TIMES if stem in names), None), None
