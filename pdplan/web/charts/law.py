"""A law of latency: latency by percentile, with the limits that it must stay under."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pdplan import units
from pdplan.web.charts.axis import Axis, round_ticks
from pdplan.web.charts.marks import dot, line, path, picture, text

WIDTH: Final = 420.0
HEIGHT: Final = 236.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 404.0, 16.0, 204.0
_PERCENTILES: Final = (0.5, 0.9, 0.99, 0.999)
Curve = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Limit:
    """An objective to draw: ``stat`` (mean or pXX) of the law at most ``limit_s``, now ``value_s``."""

    stat: str
    limit_s: float
    value_s: float
    met: bool

    @property
    def share(self) -> float | None:
        """The percentile as a share; None for the mean."""
        return None if self.stat == "mean" else float(self.stat[1:]) / 100.0


def law_chart(name: str, curve: Curve, limits: Sequence[Limit], simulated: Curve | None = None) -> str:
    """Draw a law: percentiles to the right, on the scale of the share that is slower.

    Parameters
    ----------
    name : str
        What it is the law of, e.g. ``TTFT of chat``.
    curve : sequence of (latency [s], share slower [-])
    limits : sequence of Limit
    simulated : sequence of (latency [s], share slower [-]), optional
        The same law as simulated.
    """
    top = _top(curve, limits)
    x = Axis(0.0, 3.0, _LEFT, _RIGHT)
    y = Axis(0.0, top, _BOTTOM, _TOP)
    marks = [*_grid(x, y, top)]
    for limit in limits:
        marks += _limit(limit, x, y, top)
    marks.append(path(_places(curve, x, y), "curve"))
    if simulated:
        marks.append(path(_places(simulated, x, y), "curve simulated"))
    marks += [_now(limit, x, y) for limit in limits if limit.share is not None]
    return picture(WIDTH, HEIGHT, _words(name, curve, limits), marks)


def place(share_slower: float) -> float:
    """Return where a percentile lies: 0 at the fastest, 1 at p90, 2 at p99, 3 at p99.9."""
    return -math.log10(max(share_slower, 1e-3))


def _top(curve: Curve, limits: Sequence[Limit]) -> float:
    """Return the highest latency drawn: the law's, and limits that are not far above it."""
    high = max(point[0] for point in curve)
    near = [limit.limit_s for limit in limits if limit.limit_s < 3.0 * high]
    return float(1.1 * max([high, *near]))


def _grid(x: Axis, y: Axis, top: float) -> list[str]:
    marks = []
    for tick in round_ticks(top):
        marks.append(line((_LEFT, y.at(tick)), (_RIGHT, y.at(tick)), "grid"))
        marks.append(
            text(_LEFT - 6, y.at(tick) + 4, units.show(tick, "time") if tick else "0", "tick", "end")
        )
    for p in _PERCENTILES:
        at = x.at(place(1.0 - p))
        anchor = "end" if p == 0.999 else "middle"
        marks.append(line((at, _BOTTOM), (at, _BOTTOM + 4), "axis"))
        marks.append(text(at, _BOTTOM + 17, f"p{100 * p:g}", "tick", anchor))
    return marks


def _limit(limit: Limit, x: Axis, y: Axis, top: float) -> list[str]:
    """Draw a limit as a line up to its percentile; one beyond the picture is written at its top."""
    kind = "limit" if limit.met else "limit missed"
    words = f"{limit.stat} ≤ {units.show(limit.limit_s, 'time')}"
    if limit.limit_s > top:
        return [text(_LEFT + 6, _TOP + 4, f"{words}, above the picture", f"{kind} label")]
    at = y.at(limit.limit_s)
    end = _RIGHT if limit.share is None else x.at(place(1.0 - limit.share))
    return [
        line((_LEFT, at), (end, at), kind),
        line((end, at - 5), (end, at + 5), kind),
        text(_LEFT + 6, at - 6, words, f"{kind} label"),
    ]


def _now(limit: Limit, x: Axis, y: Axis) -> str:
    at = x.at(place(1.0 - (limit.share or 0.0)))
    words = f"{limit.stat} {units.show(limit.value_s, 'time')}"
    return dot(at, y.at(limit.value_s), "now" if limit.met else "now missed", words, 4.5)


def _places(curve: Curve, x: Axis, y: Axis) -> list[tuple[float, float]]:
    return [(x.at(place(slower)), y.at(latency)) for latency, slower in curve]


def _words(name: str, curve: Curve, limits: Sequence[Limit]) -> str:
    """Say what the picture shows."""
    parts = [f"{name} by percentile: from {units.show(curve[0][0], 'time')}"]
    parts.append(f"to {units.show(curve[-1][0], 'time')} at p99.9")
    for limit in limits:
        state = "met" if limit.met else "missed"
        shown, asked = units.show(limit.value_s, "time"), units.show(limit.limit_s, "time")
        parts.append(f"{limit.stat} {shown}, limit {asked}: {state}")
    return "; ".join(parts)
