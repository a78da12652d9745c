"""Traces of the Splitwise simulator (https://github.com/Mutinifni/splitwise-sim, MIT).

``request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size``;
``arrival_timestamp`` is in seconds, ``token_size`` the number of tokens generated.
"""

from __future__ import annotations

from pdplan.workload.formats.layout import Layout, folded

NAME = "Splitwise CSV"


def recognise_csv(header: tuple[str, ...]) -> Layout | None:
    """Return the layout where the arrival and both sizes are there."""
    names = folded(header)
    if not names.keys() >= {"arrival_timestamp", "prompt_size", "token_size"}:
        return None
    return Layout(
        NAME,
        "csv",
        prompt=names["prompt_size"],
        output=names["token_size"],
        time=names["arrival_timestamp"],
        time_unit_s=1.0,
        header=header,
        labels=tuple(names[n] for n in ("application_id",) if n in names),
    )
