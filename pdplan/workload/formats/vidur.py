"""Traces of Vidur (https://github.com/microsoft/vidur, MIT), with times or with lengths only.

``arrived_at,num_prefill_tokens,num_decode_tokens`` with ``arrived_at`` in seconds; the traces for its length
generators leave ``arrived_at`` out and may hold further columns (``num_total_tokens,pd_ratio``).
"""

from __future__ import annotations

from pdplan.workload.formats.layout import Layout, folded

NAME = "Vidur CSV"


def recognise_csv(header: tuple[str, ...]) -> Layout | None:
    """Return the layout where both token columns of Vidur are there."""
    names = folded(header)
    if not names.keys() >= {"num_prefill_tokens", "num_decode_tokens"}:
        return None
    return Layout(
        NAME,
        "csv",
        prompt=names["num_prefill_tokens"],
        output=names["num_decode_tokens"],
        time=names.get("arrived_at"),
        time_unit_s=1.0,
        header=header,
    )
