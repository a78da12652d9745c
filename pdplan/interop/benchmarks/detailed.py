"""Per-request arrays, as `vllm bench serve --save-detailed` and SGLang's `--output-details` write them."""

from __future__ import annotations

import math
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Entry
from pdplan.interop.benchmarks.values import counted, finite, spread_of, tpot_of
from pdplan.latency.measured import ServedRequest, Spread

_ARRAYS: Final = ("input_lens", "output_lens", "ttfts", "itls")
_OPTIONAL: Final = ("start_times", "errors")


def has_arrays(value: dict[str, Any]) -> bool:
    """Whether the requests are there one by one."""
    return all(isinstance(value.get(key), list) and value[key] for key in _ARRAYS)


def requests_of(entry: Entry, corrections: list[str]) -> tuple[tuple[ServedRequest, ...], list[float]]:
    """Return the requests that were answered, and the gaps between tokens [s].

    End-to-end time is TTFT plus the gaps. Failed requests (an error, or no output token) are not among them;
    neither are answers without a first-token time, which did not stream.

    Raises
    ------
    InputError
        Arrays of different lengths, or a time or count that is negative or no number.
    """
    value, where = entry.value, entry.where
    columns = [value[key] for key in _ARRAYS]
    for key in _OPTIONAL:
        columns.append(value.get(key) or [None] * len(columns[0]))
    if len({len(column) for column in columns}) > 1:
        sizes = ", ".join(f"{k} {len(c)}" for k, c in zip((*_ARRAYS, *_OPTIONAL), columns, strict=True))
        raise InputError(f"{where}: arrays of different lengths ({sizes}): the file is damaged")
    starts = [number for number in map(finite, columns[4]) if number is not None]
    begin = min(starts, default=0.0)
    served: list[ServedRequest] = []
    gaps: list[float] = []
    unstreamed = chunked = 0
    for i, (prompt, output, ttft, itl, start, error) in enumerate(zip(*columns, strict=True)):
        place = f"{where}, request {i}"
        if error or not output:
            continue
        first, times = _seconds(ttft, f"{place}: ttft"), _gaps(itl, place)
        if first == 0:
            unstreamed += 1
            continue
        tokens = _count(output, f"{place}: output_lens")
        chunked += bool(times) and len(times) < tokens - 1
        sent = finite(start)
        served.append(
            ServedRequest(
                sent_s=None if sent is None else sent - begin,
                prompt_tokens=_count(prompt, f"{place}: input_lens"),
                output_tokens=tokens,
                ttft_s=first,
                e2e_s=first + sum(times),
            )
        )
        gaps += times
    if unstreamed:
        corrections.append(
            f"{entry.prefix}{counted(unstreamed, 'answer')} did not stream (no first-token time): left out."
        )
    if chunked:
        corrections.append(
            f"{entry.prefix}{counted(chunked, 'answer')} came with several tokens in one piece: "
            "ITL counts pieces, so it is left out; TPOT counts tokens."
        )
        gaps = []
    return tuple(served), gaps


def recomputed(
    served: tuple[ServedRequest, ...], gaps: list[float], prefix: str, corrections: list[str]
) -> tuple[Spread, Spread, Spread, Spread]:
    """Return TTFT, TPOT, ITL and e2e from the requests themselves, and say so."""
    corrections.append(
        f"{prefix}Means and percentiles recomputed from its {counted(len(served), 'request')}."
    )
    single = sum(r.output_tokens == 1 for r in served)
    if single:
        corrections.append(f"{prefix}{counted(single, 'request')} with one output token: no TPOT.")
    return (
        spread_of(r.ttft_s for r in served),
        tpot_of(served),
        spread_of(gaps),
        spread_of(r.e2e_s for r in served),
    )


def _seconds(raw: Any, what: str) -> float:
    number = finite(raw)
    if number is None or number < 0:
        raise InputError(f"{what} is {str(raw)[:40]}: it must be a number of seconds of at least 0")
    return number


def _gaps(raw: Any, place: str) -> list[float]:
    if not isinstance(raw, list):
        raise InputError(f"{place}: itls is not a list of gaps")
    if set(map(type, raw)) <= {float, int} and min(raw, default=0) >= 0 and math.isfinite(sum(raw)):
        return raw  # the usual case in one sweep: long runs hold millions of gaps
    return [_seconds(gap, f"{place}: a gap in itls") for gap in raw]


def _count(raw: Any, what: str) -> int:
    number = finite(raw)
    if number is None or number < 0 or number != int(number):
        raise InputError(f"{what} is {str(raw)[:40]}: it must be a whole number of tokens")
    return int(number)
