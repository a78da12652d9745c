"""BurstGPT v1 and v2 (https://github.com/HPMLL/BurstGPT, CC-BY-4.0).

``Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type``, in v2 with ``Session ID`` and
``Elapsed time`` after the time. Timestamp is the submission in whole seconds from midnight of the first day,
so a tick of one second is normal. Failed requests have 0 response tokens (often 0 request tokens too); they
are left out and counted, as in the files ``BurstGPT_without_fails_*.csv``. Elapsed time is the latency of the
service that was observed, not of the one that is planned: it is not read.
"""

from __future__ import annotations

from pdplan.workload.formats.layout import Layout, folded

NAME = "BurstGPT CSV (v1, v2)"
_NEEDED = {"timestamp", "model", "request tokens", "response tokens", "log type"}


def recognise_csv(header: tuple[str, ...]) -> Layout | None:
    """Return the layout where BurstGPT's columns are there."""
    names = folded(header)
    if not names.keys() >= _NEEDED:
        return None
    return Layout(
        "BurstGPT CSV",
        "csv",
        prompt=names["request tokens"],
        output=names["response tokens"],
        time=names["timestamp"],
        time_unit_s=1.0,
        header=header,
        labels=(names["model"], names["log type"]),
        session=names.get("session id"),
        failures="failed requests (no response tokens)",
    )
