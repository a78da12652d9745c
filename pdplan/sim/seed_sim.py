"""The prefill/decode simulator of problem 440 of deep-ml.com, in the two forms that are in use.

Every request holds one prefill GPU for ``prompt / rate``, waits for its KV, then holds one decode GPU for
``output / rate``. The form with per-request results is the published solution; the form with averages keeps
seconds and a transfer time per prompt token. The keys of the requests say which one is meant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pdplan.errors import InputError, did_you_mean
from pdplan.sim.two_pools import PoolTimes, serve_in_two_pools

DecodeOrder = Literal["arrival", "kv_ready"]

#: keys of a request in the form with per-request results, and in the form with averages
_OWN_KEYS: Final = ("arrival_ms", "prompt_length", "output_length")
_AVERAGE_KEYS: Final = ("arrival_time", "prompt_tokens", "output_tokens")
_OWN_NAMES: Final = (
    "prefill_gpus",
    "decode_gpus",
    "prefill_tok_per_sec",
    "decode_tok_per_sec",
    "kv_transfer_ms",
)
_AVERAGE_NAMES: Final = ("num_prefill", "num_decode", "prefill_rate", "decode_rate", "kv_transfer_rate")
_AVERAGES: Final = (
    "avg_ttft",
    "avg_total_latency",
    "throughput",
    "prefill_utilization",
    "decode_utilization",
)


class _NoRequests(dict[str, Any]):
    """Answer to an empty list given by position, which has no keys to tell the forms apart.

    Equal to the published solution's answer; asked for an average, it says 0.
    """

    def __missing__(self, key: str) -> float:
        if key in _AVERAGES:
            return 0.0
        raise KeyError(key)


def disaggregated_serving_sim(
    requests: Sequence[Mapping[str, float]],
    *pools: float,
    decode_order: DecodeOrder = "arrival",
    **named_pools: float,
) -> dict[str, Any]:
    """Simulate a prefill pool and a decode pool of equal GPUs, each serving one request at a time.

    Called as ``(requests, prefill_gpus, decode_gpus, prefill_tok_per_sec, decode_tok_per_sec,
    kv_transfer_ms)`` or as ``(requests, num_prefill, num_decode, prefill_rate, decode_rate,
    kv_transfer_rate)``, by position or by name.

    Parameters
    ----------
    requests : sequence of mappings
        With ``arrival_ms`` [ms], ``prompt_length``, ``output_length`` [tok] the published problem is solved,
        in the order of the list. With ``arrival_time`` [s], ``prompt_tokens``, ``output_tokens`` [tok] the
        averages are returned, in the order of arrival.
    *pools, **named_pools : float
        GPUs of each pool [-], tokens per second of one GPU of each pool [tok/s], and the transfer: in ms for
        every request, or (averages) in seconds per prompt token.
    decode_order : {"arrival", "kv_ready"}
        Who takes a decode GPU next: the request that arrived first, even while its KV is on the way (the
        published solution, the default), or the one whose KV is there first.

    Returns
    -------
    dict
        ``per_request`` (``latency_ms``, ``prefill_ms``, ``decode_ms``, ``kv_transfer_ms``) and
        ``throughput_tok_per_sec``, rounded to 2 places, over the time from the first request of the list to
        the last completion (1 s where that is not positive); or ``avg_ttft`` (to the start of decode) [s],
        ``avg_total_latency`` [s], ``throughput`` [tok/s], ``prefill_utilization`` and ``decode_utilization``,
        rounded to 4 places, 0 where nothing took any time.

    Raises
    ------
    InputError
        A request or a pool that cannot be; names the request.

    Notes
    -----
    A GPU works on one request at a time and the link carries any number at once: for batched decode and a
    link that queues, use `simulate_disaggregated` or a scenario.

    Source: deep-ml.com, problem 440, "Disaggregated Prefill-Decode Serving Simulator".

    Examples
    --------
    >>> one = [{"arrival_ms": 0, "prompt_length": 1000, "output_length": 100}]
    >>> disaggregated_serving_sim(one, 1, 1, 10000, 100, 5.0)["per_request"]
    [{'latency_ms': 1105.0, 'prefill_ms': 100.0, 'decode_ms': 1000.0, 'kv_transfer_ms': 5.0}]
    >>> one = [{"arrival_time": 5, "prompt_tokens": 1000, "output_tokens": 100}]
    >>> disaggregated_serving_sim(one, 1, 1, 10000, 100, kv_transfer_rate=0.0001)["avg_ttft"]
    0.2
    """
    if decode_order not in ("arrival", "kv_ready"):
        raise InputError(f"decode_order is {decode_order!r}: it must be 'arrival' or 'kv_ready'")
    if isinstance(requests, (str, bytes, Mapping)) or not isinstance(requests, Sequence):
        raise InputError(f"requests is a {type(requests).__name__}: it must be a list of requests")
    own, values = _arguments(requests, pools, named_pools)
    if not requests and own is None:
        return _NoRequests(per_request=[], throughput_tok_per_sec=0.0)
    if own:
        return _per_request(_columns(requests, _OWN_KEYS), values, decode_order)
    return _averages(_columns(requests, _AVERAGE_KEYS), values, decode_order)


def _per_request(
    columns: list[list[float]], values: tuple[int, int, float, float, float], decode_order: DecodeOrder
) -> dict[str, Any]:
    """Solve the published problem: milliseconds, the order of the list."""
    arrival_ms, prompt, output = columns
    prefill_gpus, decode_gpus, prefill_rate, decode_rate, kv_transfer_ms = values
    prefill_ms = [(n / prefill_rate) * 1000 for n in prompt]
    decode_ms = [(n / decode_rate) * 1000 for n in output]
    times = serve_in_two_pools(
        arrival_ms,
        prefill_ms,
        [kv_transfer_ms] * len(prompt),
        decode_ms,
        prefill_gpus,
        decode_gpus,
        decode_order=decode_order,
    )
    per_request = [
        {
            "latency_ms": round(end - arrival, 2),
            "prefill_ms": round(prefill, 2),
            "decode_ms": round(decode, 2),
            "kv_transfer_ms": kv_transfer_ms,
        }
        for end, arrival, prefill, decode in zip(times.end, arrival_ms, prefill_ms, decode_ms, strict=True)
    ]
    first = arrival_ms[0] if arrival_ms else 0
    last = max([*times.end, *times.prefill_end], default=0)
    seconds = (last - first) / 1000 if last > first else 1
    return {"per_request": per_request, "throughput_tok_per_sec": round(sum(output) / seconds, 2)}


def _averages(
    columns: list[list[float]], values: tuple[int, int, float, float, float], decode_order: DecodeOrder
) -> dict[str, Any]:
    """Average over the requests: seconds, the order of arrival (ties in the order of the list)."""
    order = sorted(range(len(columns[0])), key=lambda i: columns[0][i])
    arrival, prompt, output = ([column[i] for i in order] for column in columns)
    num_prefill, num_decode, prefill_rate, decode_rate, transfer_s_per_token = values
    prefill = [n / prefill_rate for n in prompt]
    decode = [n / decode_rate for n in output]
    transfer = [n * transfer_s_per_token for n in prompt]
    times: PoolTimes = serve_in_two_pools(
        arrival, prefill, transfer, decode, num_prefill, num_decode, decode_order=decode_order
    )
    n = len(arrival)
    makespan = max(times.end) - arrival[0] if n else 0.0
    ttft = [start - a for start, a in zip(times.decode_start, arrival, strict=True)]
    latency = [end - a for end, a in zip(times.end, arrival, strict=True)]
    results = (
        math.fsum(ttft) / n if n else 0.0,
        math.fsum(latency) / n if n else 0.0,
        sum(output) / makespan if makespan > 0 else 0.0,
        math.fsum(prefill) / (num_prefill * makespan) if makespan > 0 else 0.0,
        math.fsum(decode) / (num_decode * makespan) if makespan > 0 else 0.0,
    )
    return {name: round(value, 4) for name, value in zip(_AVERAGES, results, strict=True)}


def _arguments(
    requests: Sequence[Any], pools: tuple[float, ...], named: dict[str, float]
) -> tuple[bool | None, tuple[int, int, float, float, float]]:
    """Return which form is meant (True: the published one; None: it cannot be told) and the five numbers."""
    own = _form(requests, named)
    names = _AVERAGE_NAMES if own is False else _OWN_NAMES
    if len(pools) > len(names):
        raise InputError(
            f"{len(pools)} values after the requests: there are {len(names)}: {', '.join(names)}"
        )
    given: dict[str, Any] = dict(zip(names, pools, strict=False))
    for name, value in named.items():
        if name not in names:
            raise InputError(
                f"{name} is not known here{did_you_mean(name, names) or ': ' + ', '.join(names)}"
            )
        if name in given:
            raise InputError(f"{name} is given twice, by position and by name")
        given[name] = value
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(f"{', '.join(missing)} missing: give all of {', '.join(names)}")
    counts = [_count(name, given[name]) for name in names[:2]]
    rates = [_number(name, given[name], zero_ok=False) for name in names[2:4]]
    return own, (*counts, *rates, _number(names[4], given[names[4]]))  # type: ignore[return-value]


def _form(requests: Sequence[Any], named: Mapping[str, float]) -> bool | None:
    """Return whether the published form is meant, by the keys of the first request or the named pools."""
    if not requests:
        if any(name in _AVERAGE_NAMES for name in named):
            return False
        return True if any(name in _OWN_NAMES for name in named) else None
    first = requests[0]
    if isinstance(first, Mapping):
        own, averages = (sum(key in first for key in keys) for keys in (_OWN_KEYS, _AVERAGE_KEYS))
        if bool(own) != bool(averages):
            return own > 0
    raise InputError(
        f"request 0 is {str(first)[:80]}: it needs the keys {', '.join(_OWN_KEYS)} "
        f"or {', '.join(_AVERAGE_KEYS)}"
    )


def _columns(requests: Sequence[Any], keys: Sequence[str]) -> list[list[float]]:
    """Return the values of each key as one list, checked."""
    columns: list[list[float]] = [[] for _ in keys]
    for i, request in enumerate(requests):
        if not isinstance(request, Mapping):
            raise InputError(
                f"request {i} is a {type(request).__name__}: it must be a dict with {', '.join(keys)}"
            )
        for key, column in zip(keys, columns, strict=True):
            if key not in request:
                hint = did_you_mean(key, [str(k) for k in request])
                raise InputError(f"request {i} has no {key}{hint or ': it needs ' + ', '.join(keys)}")
            column.append(_number(f"{key} of request {i}", request[key]))
    return columns


def _number(name: str, value: Any, *, zero_ok: bool = True) -> float:
    """Return a finite number of at least (or above) zero, as it was given."""
    good = _is_real(value) and math.isfinite(value) and (value >= 0 if zero_ok else value > 0)
    if not good:
        bound = "at least 0" if zero_ok else "greater than 0"
        raise InputError(f"{name} is {value!r}: it must be a finite number {bound}")
    return value  # type: ignore[no-any-return]


def _count(name: str, value: Any) -> int:
    """Return a whole number of at least 1."""
    if not _is_real(value) or not math.isfinite(value) or value != int(value) or value < 1:
        raise InputError(f"{name} is {value!r}: it must be a whole number of at least 1")
    return int(value)


def _is_real(value: Any) -> bool:
    """Return whether a value is a number (numpy's count, a truth value does not)."""
    return not isinstance(value, (bool, str, bytes, complex)) and hasattr(value, "__float__")
