"""A sweep for people: a table, and what became of the points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pdplan import units
from pdplan.latency.expert_degrees import Degrees

if TYPE_CHECKING:
    from pdplan.planner.sweep_grid import SweepResult
    from pdplan.planner.sweep_row import Row

#: A table for the terminal is no longer than this; the file has every row.
MOST_ROWS: Final = 40


def sweep_text(result: SweepResult) -> str:
    """Return the table of a sweep (its first rows), the count of each status and the cheapest point."""
    rows = result.rows[:MOST_ROWS]
    axes = [a.column for a in result.axes]
    latencies = _latencies(result)
    head = [*axes, "status", *([] if not _has(rows, "fleet") else ["fleet", "GPUs", "USD/h"])]
    head += [_short(name) for name in latencies]
    body = [_cells(row, axes, latencies, "fleet" in head) for row in rows]
    lines = _table(head, body)
    if len(result.rows) > MOST_ROWS:
        lines.append(f"... and {len(result.rows) - MOST_ROWS} more points: write them with -o results.csv")
    lines += ["", _summary(result)]
    best = result.cheapest()
    if best is not None and len(result.rows) > 1:
        where = ", ".join(f"{name} {best[name]}" for name in axes)
        lines.append(f"cheapest: {best['usd_per_hour']:.2f} USD/h with {best['fleet']} at {where}")
    lines += [f"reason at {where}: {why}" for where, why in _reasons(result, axes)]
    if result.note:
        lines.append(result.note)
    return "\n".join(lines)


def _has(rows: tuple[Row, ...], name: str) -> bool:
    return any(row.get(name) is not None for row in rows)


def _latencies(result: SweepResult) -> list[str]:
    """Columns of latencies worth the room: those that objectives name; means where that is all there is."""
    asked = [c for c in result.columns if c.endswith("_s") and "_mean_" not in c]
    means = [c for c in result.columns if c.endswith("_mean_s")]
    shares = [c for c in result.columns if c.endswith(".attainment")]
    return ([*asked, *shares] or means)[:6]


def _short(name: str) -> str:
    return name.removesuffix("_s").replace("_", " ").replace(".", " ")


def _cells(row: Row, axes: list[str], latencies: list[str], with_fleet: bool) -> list[str]:
    cells = [_text(row.get(name)) for name in axes] + [row["status"]]
    if with_fleet:
        usd = row.get("usd_per_hour")
        cells += [_brief(row), _text(row.get("gpus")), "-" if usd is None else f"{usd:.2f}"]
    for name in latencies:
        value = row.get(name)
        unit = "fraction" if name.endswith(".attainment") else "time"
        cells.append("-" if value is None else units.show(value, unit))
    return cells


def _brief(row: Row) -> str:
    """E.g. ``2P TP1 + 3D TP4``."""
    if row.get("fleet") is None:
        return "-"
    pools = []
    for role in ("prefill", "decode"):
        degrees = Degrees(*(row[f"{role}_{name}"] for name in ("tp", "pp", "dp_attention", "ep")))
        pools.append(f"{row[f'{role}_count']}{role[0].upper()} {degrees}")
    return " + ".join(pools)


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    widths = [max(len(r[i]) for r in [head, *body]) for i in range(len(head))]
    return [
        "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip()
        for r in [head, ["-" * w for w in widths], *body]
    ]


def _summary(result: SweepResult) -> str:
    counts = ", ".join(f"{n} {status}" for status, n in result.counts.items())
    text = f"{len(result.rows)} points ({result.sampling}): {counts}"
    return text + (f"; {result.continued} of them from the log" if result.continued else "")


def _reasons(result: SweepResult, axes: list[str]) -> list[tuple[str, str]]:
    """Return the first point of each kind of failure, and why it failed."""
    seen: dict[str, tuple[str, str]] = {}
    for row in result.rows:
        if row["status"] in ("overloaded", "infeasible", "bad input", "bug") and row["status"] not in seen:
            where = ", ".join(f"{name} {row[name]}" for name in axes)
            seen[row["status"]] = (where, row["reason"])
    return list(seen.values())
