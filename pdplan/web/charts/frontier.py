"""Fleets that no other beats: price against TTFT, split and colocated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pdplan import units
from pdplan.web.charts.axis import Axis, log_ticks, round_ticks
from pdplan.web.charts.marks import box, dot, line, picture, text

WIDTH: Final = 420.0
HEIGHT: Final = 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 404.0, 16.0, 200.0


def frontier_chart(
    points: Sequence[dict[str, Any]], bought_usd_per_hour: float, limit_s: float | None
) -> str:
    """Draw the points of a ``pdplan.pareto/1`` document; ``limit_s``: the tightest p99 of TTFT [s]."""
    usd = [p["usd_per_hour"] for p in points]
    ttft = [p["ttft_p99_s"] for p in points] + ([] if limit_s is None else [limit_s])
    x = Axis(0.0, 1.08 * max([*usd, bought_usd_per_hour]), _LEFT, _RIGHT)
    y = Axis(0.8 * min(ttft), 1.25 * max(ttft), _BOTTOM, _TOP, log=True)
    marks = _grid(x, y)
    if limit_s is not None:
        marks.append(line((_LEFT, y.at(limit_s)), (_RIGHT, y.at(limit_s)), "limit"))
        marks.append(
            text(_RIGHT, y.at(limit_s) - 6, f"p99 ≤ {units.show(limit_s, 'time')}", "limit label", "end")
        )
    bought = x.at(bought_usd_per_hour)
    marks.append(line((bought, _TOP), (bought, _BOTTOM), "here"))
    marks += [_mark(p, x, y) for p in points]
    return picture(WIDTH, HEIGHT, _words(points), marks)


def _grid(x: Axis, y: Axis) -> list[str]:
    marks = []
    for tick in log_ticks(y.low, y.high):
        marks.append(line((_LEFT, y.at(tick)), (_RIGHT, y.at(tick)), "grid"))
        marks.append(text(_LEFT - 6, y.at(tick) + 4, units.show(tick, "time"), "tick", "end"))
    for tick in round_ticks(x.high, 5):
        marks.append(line((x.at(tick), _BOTTOM), (x.at(tick), _BOTTOM + 4), "axis"))
        marks.append(text(x.at(tick), _BOTTOM + 17, f"{tick:g}", "tick", "middle"))
    marks.append(text(_RIGHT, _BOTTOM + 36, "USD per hour", "tick", "end"))
    return marks


def _mark(p: dict[str, Any], x: Axis, y: Axis) -> str:
    at = x.at(p["usd_per_hour"]), y.at(p["ttft_p99_s"])
    title = f"{p['fleet']}: {p['usd_per_hour']:.2f} USD/h, TTFT p99 {units.show(p['ttft_p99_s'], 'time')}"
    best = " best" if p["on_common_frontier"] else ""
    if p["architecture"] == "split":
        return dot(*at, f"split{best}", title)
    return box(*at, f"colocated{best}", title)


def _words(points: Sequence[dict[str, Any]]) -> str:
    best = [p for p in points if p["on_common_frontier"]]
    listed = "; ".join(
        f"{p['fleet']} {p['usd_per_hour']:.2f} USD/h, TTFT p99 {units.show(p['ttft_p99_s'], 'time')}"
        for p in best[:6]
    )
    return f"Price against TTFT p99 of {len(points)} fleets; on the common frontier: {listed}"
