"""Loads of the stations and parts of TTFT, as rows with bars."""

from __future__ import annotations

from typing import Any

from pdplan import units
from pdplan.planner.ttft_parts import PARTS
from pdplan.web.charts.tables import Bar, bar_table


def loads(fleet: dict[str, Any]) -> str:
    """Return how busy each station is, against its limit."""
    limit = fleet["prefill"]["utilization_limit"]
    rows = [
        _load(role, fleet[role]["utilization"], fleet[role]["utilization_limit"])
        for role in ("prefill", "decode")
    ]
    share = fleet["decode"]["kv_p99_share"]
    if share is not None:
        rows.append(_load("KV memory, p99", share, 1.0))
    link = fleet["link"]
    rows.append(_load("link", max(link["egress_utilization"], link["ingress_utilization"]), limit))
    return bar_table("share of each station in use; the tick is its limit", rows)


def _load(name: str, load: float, limit: float) -> Bar:
    shown = f"{load:.0%}" if load >= 0.1 else f"{load:.1%}"
    return Bar(name, f"{shown} of {limit:.0%}", load, limit, load > limit)


def breakdown(c: dict[str, Any]) -> str:
    """Return the mean TTFT of a class in its parts."""
    parts = c["ttft_parts_s"]
    total = c["ttft"]["mean_s"]
    known = [*PARTS, *(k for k in parts if k not in PARTS)]
    rows = [
        Bar(PARTS.get(k, k), units.show(parts[k], "time"), parts[k] / total)
        for k in known
        if parts.get(k, 0.0) > 5e-7
    ]
    return bar_table(f"mean TTFT of {c['name']}: {units.show(total, 'time')}", rows)
