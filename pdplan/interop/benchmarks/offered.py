"""What a client offered: a rate, a concurrency that it held, or everything at once."""

from __future__ import annotations

import contextlib
import math
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.values import counted, finite

_NEAR: Final = 0.1


def arrival_rate(raw: Any, where: str) -> float | None:
    """Return a rate [1/s]; None for "inf" (as fast as the concurrency allows) and for none at all.

    Raises
    ------
    InputError
        Zero, negative, NaN, or words other than inf and trace.

    Examples
    --------
    >>> arrival_rate(2, "f"), arrival_rate("inf", "f"), arrival_rate(None, "f")
    (2.0, None, None)
    """
    if raw is None:
        return None
    if isinstance(raw, str):
        word = raw.strip().lower()
        if word in ("inf", "infinity", "trace"):
            return None
        with contextlib.suppress(ValueError):
            raw = float(word)
    if isinstance(raw, float) and raw == math.inf:
        return None
    number = finite(raw)
    if number is None or number <= 0:
        raise InputError(f"{where}: request_rate is {str(raw)[:40]!r}: it must be a number above 0, or inf")
    return number


def offered_load(
    rate: float | None,
    cap: float | None,
    in_flight: float | None,
    requests: int,
    prefix: str,
    corrections: list[str],
) -> tuple[float | None, float | None]:
    """Return (request rate, concurrency), one of them None, of a run with a rate and a cap on concurrency.

    With both, the cap made the load where the requests in flight (throughput x mean e2e, Little's law) come
    within a tenth of it. Fewer mean that the rate did; more, that the cap was not in force.

    Examples
    --------
    >>> offered_load(None, 16, 15.9, 160, "", []), offered_load(2.0, 64, 3.1, 160, "", [])
    ((None, 16), (2.0, None))
    """
    if cap is None:
        if rate is None:
            corrections.append(
                f"{prefix}No rate and no limit on concurrency: no steady load to compare with."
            )
        return rate, None
    if rate is None:
        if requests < cap:
            corrections.append(
                f"{prefix}{counted(requests, 'request')} under a concurrency of {cap:g}: all were sent "
                "at once, so the concurrency was never held."
            )
        return None, cap
    held = in_flight is not None and abs(in_flight / cap - 1) <= _NEAR
    said = "" if in_flight is None else f" ({in_flight:.3g} in flight on average)"
    corrections.append(
        f"{prefix}A rate of {rate:g}/s under a limit of {cap:g} requests in flight{said}: taken as "
        + ("held concurrency." if held else "an open benchmark at that rate.")
    )
    return (None, cap) if held else (rate, None)
