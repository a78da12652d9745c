"""`sweep`: one question asked at many points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from pdplan._version import __version__
from pdplan.errors import InfeasibleError, InputError, ScenarioError
from pdplan.planner.sizing import size
from pdplan.planner.sweep_axes import Axis, axes_of
from pdplan.planner.sweep_log import log_path, open_log, read_log
from pdplan.planner.sweep_points import Base, Point, grid, latin, with_units
from pdplan.planner.sweep_row import STATUSES, Quantities, Row
from pdplan.planner.sweep_run import run_points
from pdplan.planner.sweep_write import check_output, write_table
from pdplan.spec.pools import FixedFleet, FixedPool
from pdplan.spec.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FIRST: Final = ("status", "feasible", "reason")


@dataclass(frozen=True, eq=False)
class SweepResult:
    """The rows of a sweep, in the order of its points.

    ``rows`` have the values of the axes first. ``continued`` rows were found in the log of an earlier run.
    ``note`` says what the sweep took for granted.
    """

    scenario: Scenario
    axes: tuple[Axis, ...]
    quantities: Quantities
    sampling: str
    rows: tuple[Row, ...]
    note: str = ""
    continued: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns: axes, status, then as they come up."""
        names = dict.fromkeys((*(a.column for a in self.axes), *_FIRST))
        for row in self.rows:
            names |= dict.fromkeys(row)
        return tuple(names)

    @property
    def feasible(self) -> tuple[Row, ...]:
        """Rows whose fleet meets every objective."""
        return tuple(row for row in self.rows if row["feasible"])

    @property
    def counts(self) -> dict[str, int]:
        """How many points have each status."""
        seen = Counter(row["status"] for row in self.rows)
        return {status: seen[status] for status in STATUSES if seen[status]}

    def cheapest(self) -> Row | None:
        """Return the feasible row that costs least (the first of equals)."""
        priced = [row for row in self.feasible if row.get("usd_per_hour") is not None]
        return min(priced, key=lambda row: row["usd_per_hour"], default=None)

    def plot(self, ax: Axes | None = None, *, y: str = "usd_per_hour", x: str | None = None) -> Axes:
        """Draw one column against one axis, a line for each value of the other axes (extra ``plot``).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; the axes of a new figure without it.
        y : str
            A column with numbers; points without one are gaps.
        x : str, optional
            An axis of the sweep; default the first.

        Raises
        ------
        InputError
            No such axis or column, a column without numbers, too many lines, or matplotlib is not installed.
        """
        from pdplan.planner.plot_sweep import plot_sweep

        return plot_sweep(self, ax, y, x)

    def document(self) -> dict[str, Any]:
        """Return the JSON document: stable, versioned, without timings or dates."""
        return {
            "schema": "pdplan.sweep/1",
            "version": __version__,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "quantities": self.quantities,
            "sampling": self.sampling,
            "over": [a.column for a in self.axes],
            "points": len(self.rows),
            "counts": self.counts,
            "note": self.note,
            "columns": list(self.columns),
            "rows": [dict(row) for row in self.rows],
        }

    def write(self, path: str | Path) -> Path:
        """Write the rows to a .csv or .parquet file."""
        return write_table(self.columns, self.rows, Path(path))

    def __str__(self) -> str:
        """Return a table and what became of the points."""
        from pdplan.planner.sweep_text import sweep_text

        return sweep_text(self)


def sweep(
    scenario: Scenario,
    over: Mapping[str, Any] | Sequence[str],
    *,
    quantities: Quantities | None = None,
    latin_points: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    dask: str | None = None,
    output: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SweepResult:
    """Plan a scenario at every point of a grid, or of a Latin hypercube, by formulas.

    An error at a point (no fleet, bad input) becomes its row; the sweep goes on. Rows do not depend on who
    works them.

    Parameters
    ----------
    scenario : Scenario
    over : mapping or sequence of str
        Fields as ``--set`` names them and their values: ``{"link": [..], "classes.chat.rate": "2..20:10"}``.
    quantities : {"plan", "fleet", "means"}, optional
        ``plan``: the cheapest fleet. ``fleet``: judge the stated one; the default where a field of ``fleet``
        is swept. ``means``: only means and loads of the stated fleet, fast.
    latin_points : int, optional
        Points of a Latin hypercube instead of the grid.
    seed : int
        Of the hypercube.
    workers : int, optional
        Processes; default this one for few points, else one for each core.
    dask : str, optional
        Address of a dask scheduler to work on instead.
    output : path, optional
        A .csv or .parquet file; a log beside it lets a killed sweep go on.
    on_progress : callable, optional
        Told points done and points to do.

    Raises
    ------
    InputError
        An axis that is not understood, a field that does not exist, a file that cannot be written.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> fixed = builtin_scenario(("prefill.parallel.tp=[4]", "decode.parallel.tp=[4]"))
    >>> found = sweep(fixed, {"classes.chat.rate": ["4 req/s", "8 req/s"]})
    >>> [row["status"] for row in found.rows]
    ['met', 'met']
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: give at least 1")
    if quantities is not None and quantities not in get_args(Quantities):
        raise InputError(f"quantities {quantities!r}: choose {', '.join(get_args(Quantities))}")
    path = None if output is None else Path(output)
    if path is not None:
        check_output(path)
    axes = axes_of(over)
    swept_fleet = any(a.key.split(".")[0] == "fleet" for a in axes)
    what: Quantities = quantities or ("fleet" if swept_fleet else "plan")
    note = ""
    if what != "plan" and scenario.fleet is None:
        scenario, note = _with_planned_fleet(scenario)
    axes = with_units(axes, scenario)
    base = Base.of(scenario)
    points = grid(axes) if latin_points is None else latin(axes, latin_points, seed)
    _check_fields(base, axes, points)
    if what == "means":
        from pdplan.planner.sweep_means import means_rows

        found, continued = means_rows(base, axes, points, on_progress), 0
    else:
        found, continued = _work(base, points, what, path, workers, dask, on_progress)
    rows = tuple({**point.values, **row} for point, row in zip(points, found, strict=True))
    if rows and all(row["status"] == "bad input" for row in rows):
        if path is not None:
            log_path(path).unlink(missing_ok=True)
        raise InputError(f"no point of the sweep can be planned: {rows[0]['reason']}")
    sampling = "grid" if latin_points is None else f"Latin hypercube of {latin_points} points, seed {seed}"
    result = SweepResult(scenario, axes, what, sampling, rows, note, continued)
    if path is not None:
        result.write(path)
    return result


def _work(
    base: Base,
    points: tuple[Point, ...],
    quantities: Quantities,
    path: Path | None,
    workers: int | None,
    dask: str | None,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[list[Row], int]:
    """Return the rows of all points, worked or found in the log, and how many were found."""
    log = None if path is None else log_path(path)
    keys = base.keys(points, quantities)
    found = {} if log is None else read_log(log, keys)
    left = [(i, point) for i, point in enumerate(points) if keys[i] not in found]
    continued = len(points) - len(left)
    done = 0
    with open_log(log if left else None) as kept:
        for rows in run_points(base, left, quantities, workers=workers, dask=dask):
            found |= {keys[i]: row for i, row in rows}
            if kept is not None:
                kept.append([(keys[i], row) for i, row in rows if row["status"] != "bug"])
            done += len(rows)
            if on_progress is not None:
                on_progress(done, len(left))
    return [found[key] for key in keys], continued


def _with_planned_fleet(scenario: Scenario) -> tuple[Scenario, str]:
    """State the planned fleet where the scenario states none, and say so."""
    try:
        fleet = size(scenario).fleet
    except InfeasibleError as error:
        raise InputError(
            f"the scenario states no fleet to sweep, and has no plan ({error}): state fleet.prefill and "
            "fleet.decode in it"
        ) from None
    pools = [FixedPool(count=p.count, **asdict(p.degrees)) for p in (fleet.prefill, fleet.decode)]
    stated = scenario.model_copy(update={"fleet": FixedFleet(prefill=pools[0], decode=pools[1])})
    return stated, f"what the sweep does not set of the fleet is as planned: {fleet.label}"


def _check_fields(base: Base, axes: tuple[Axis, ...], points: tuple[Point, ...]) -> None:
    """Refuse a field that no scenario has: every point would fail for the same reason."""
    for place, axis in enumerate(axes):
        try:
            base.scenario((points[0].settings[place],))
        except ScenarioError as error:
            text = str(error).removeprefix(f"{base.source}: ").removeprefix("--set ")
            if (
                "unknown key" in text
                or "no class" in text
                or "name a field" in text
                or "nothing below" in text
            ):
                raise InputError(f"--over {axis.key}: {text}") from None
