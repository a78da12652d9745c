"""Read LLMServingSim's dataset: one JSON object a line, one request each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pdplan.errors import InputError, UnsupportedError, did_you_mean

_FIELDS: Final = ("input_toks", "output_toks", "arrival_time_ns")
_LARGEST: Final = {"input_toks": 10**9, "output_toks": 10**9, "arrival_time_ns": 10**18}


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """Requests in order of arrival; ``lines`` are where they stand in the file."""

    source: str
    arrival_ns: tuple[int, ...]
    prompt_tokens: tuple[int, ...]
    output_tokens: tuple[int, ...]
    lines: tuple[int, ...]
    has_token_ids: bool = False


def read_dataset(path: str | Path) -> RequestTrace:
    """Read a trace of requests, in any order of arrival; empty lines are skipped.

    Raises
    ------
    InputError
        Not readable, no requests, or a line that is not a request; with file and line.
    UnsupportedError
        A session of chained requests.
    """
    path = Path(path)
    rows: list[tuple[int, int, int, int]] = []
    has_token_ids = False
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    request = _request(line, f"{path}:{number}")
                    has_token_ids = has_token_ids or "input_tok_ids" in request
                    prompt, output, arrival = (_whole(request, key, f"{path}:{number}") for key in _FIELDS)
                    rows.append((arrival, number, prompt, output))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}:{number + 1}: is not UTF-8 text") from None
    if not rows:
        raise InputError(f"{path}: holds no requests: write one JSON object a line with {', '.join(_FIELDS)}")
    rows.sort()
    arrivals, lines, prompts, outputs = zip(*rows, strict=True)
    return RequestTrace(str(path), arrivals, prompts, outputs, lines, has_token_ids)


def _request(line: str, where: str) -> dict[str, Any]:
    """Parse one line."""
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON: {getattr(error, 'msg', 'nested too deeply')}") from None
    if not isinstance(value, dict):
        raise InputError(f"{where}: not a JSON object: a request has {', '.join(_FIELDS)}")
    if "sub_requests" in value:
        raise UnsupportedError(f"{where}: sessions of chained requests (sub_requests) are not modelled")
    return value


def _whole(request: dict[str, Any], key: str, where: str) -> int:
    """Return one whole number of a request."""
    if key not in request:
        raise InputError(f"{where}: no {key}{did_you_mean(key, request) or ''}")
    value = request[key]
    least, most = (0 if key == "arrival_time_ns" else 1), _LARGEST[key]
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not least <= value <= most or value != int(value):
        raise InputError(
            f"{where}: {key} is {json.dumps(value)[:60]}: it must be a whole number of at least {least}"
        )
    return int(value)
