"""A frontier: its points, each labelled with its fleet; as text, JSON, CSV or a plot."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pdplan._version import __version__
from pdplan.errors import InputError
from pdplan.planner.instances import InstanceOption
from pdplan.planner.pareto_fleets import AnyFleet, SplitFleet
from pdplan.planner.problem import Problem


@dataclass(frozen=True, slots=True)
class Point:
    """One fleet at one rate.

    Attributes
    ----------
    fleet : SplitFleet or MixedFleet
    rate : float
        Requests of all classes together [1/s].
    share : float
        Of the largest rate that the fleet carries within the objectives [-]; 0 where that was not sought.
    usd_per_hour, ttft_p99_s, tpot_s : float
        Price [USD/h], 99th percentile of TTFT of the slowest class [s], mean TPOT [s].
    best : bool
        Whether no fleet of the other architecture dominates it.
    sure : bool
        Whether every objective is surely met; else only by the better end of what is known of TPOT.
    """

    fleet: AnyFleet
    rate: float
    share: float
    usd_per_hour: float
    ttft_p99_s: float
    tpot_s: float = 0.0
    best: bool = False
    sure: bool = True

    @property
    def tokens_per_s_per_gpu(self) -> float:
        """Output tokens per second per GPU."""
        return self.rate * self.fleet.problem.demand.mean_output_tokens / self.fleet.gpus

    @property
    def tokens_per_s_user(self) -> float:
        """Output tokens per second that one user sees; 0 where no request has a second token."""
        return 1.0 / self.tpot_s if self.tpot_s else 0.0

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        f = self.fleet
        return {
            "architecture": f.architecture,
            "fleet": f.label,
            **_counts(f),
            "gpus": f.gpus,
            "rate": _number(self.rate),
            "output_tokens_per_s_per_gpu": _number(self.tokens_per_s_per_gpu),
            "tokens_per_s_per_user": _number(self.tokens_per_s_user),
            "ttft_p99_s": _number(self.ttft_p99_s),
            "usd_per_hour": _number(self.usd_per_hour),
            "share_of_largest_rate": _number(self.share),
            "on_common_frontier": self.best,
            "surely_meets_objectives": self.sure,
            "trust": str(f.trust),
        }


@dataclass(frozen=True, slots=True)
class Ratio:
    """One P:D at a fixed number of GPUs: the largest rate [1/s] and what ends it."""

    fleet: SplitFleet
    rate: float
    by: str

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"fleet": self.fleet.label, **_counts(self.fleet), "rate": _number(self.rate), "by": self.by}


@dataclass(frozen=True, eq=False)
class Pareto:
    """The frontiers of both architectures on one frame.

    Attributes
    ----------
    problem : Problem
    frame : str
        ``throughput`` or ``cost``.
    gpus : int
        Of every fleet, or of the largest.
    points : tuple of Point
        Each on the frontier of its own architecture; ``best`` ones on the common frontier.
    fleets : int
        How many were considered.
    ratios : tuple of Ratio
        The P:D knob for the kinds of instance that carry most.
    """

    problem: Problem
    frame: str
    gpus: int
    points: tuple[Point, ...]
    fleets: int
    ratios: tuple[Ratio, ...]

    @property
    def best(self) -> tuple[Point, ...]:
        """The common frontier, throughput rising or cost rising."""
        found = [p for p in self.points if p.best]
        if self.frame == "throughput":
            return tuple(sorted(found, key=lambda p: p.tokens_per_s_per_gpu))
        return tuple(sorted(found, key=lambda p: p.usd_per_hour))

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "schema": "pdplan.pareto/1",
            "version": __version__,
            "frontier": self.frame,
            "gpus": self.gpus,
            "rate": self.problem.demand.arrival_rate,
            "fleets_considered": self.fleets,
            "points": [p.document() for p in self.points],
            "ratios": [r.document() for r in self.ratios],
            "trust": "approximate",
        }

    def __str__(self) -> str:
        """The points as a table, and what they say."""
        from pdplan.planner.pareto_text import text

        return text(self)

    def to_csv(self, path: str | Path) -> Path:
        """Write the points, a row each; the file is whole or not there.

        Raises
        ------
        InputError
            The folder does not exist or cannot be written.
        """
        from pdplan.sim.result_files import whole_file

        target = Path(path)
        rows = [p.document() for p in self.points]
        names = list(dict.fromkeys(key for row in rows for key in row))
        with whole_file(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return target

    def plot(self, ax: Any = None) -> Any:
        """Draw both frontiers with the fleets as labels; needs matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure unless given.

        Returns
        -------
        Axes

        Raises
        ------
        InputError
            matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise InputError("a plot needs matplotlib: pip install 'pdplan[plot]'") from None
        axes = Figure(figsize=(8.0, 5.0), layout="constrained").add_subplot() if ax is None else ax
        for architecture, mark in (("split", "o-"), ("colocated", "s--")):
            own = [p for p in self.points if p.fleet.architecture == architecture]
            if own:
                axes.plot(
                    [self._xy(p)[0] for p in own], [self._xy(p)[1] for p in own], mark, label=architecture
                )
        for p in self.best:
            axes.annotate(p.fleet.label, self._xy(p), fontsize=6, xytext=(3, 3), textcoords="offset points")
        axes.set_xlabel("tokens/s per user" if self.frame == "throughput" else "TTFT p99 [s]")
        axes.set_ylabel("output tokens/s per GPU" if self.frame == "throughput" else "cost [USD/h]")
        axes.set_title(f"{self.problem.model.name} on {self.problem.scenario.accelerator}, by formulas")
        axes.legend()
        return axes

    def _xy(self, p: Point) -> tuple[float, float]:
        if self.frame == "throughput":
            return p.tokens_per_s_user, p.tokens_per_s_per_gpu
        return p.ttft_p99_s, p.usd_per_hour


def _counts(fleet: AnyFleet) -> dict[str, Any]:
    if isinstance(fleet, SplitFleet):
        p, d = fleet.prefill, fleet.decode
        prefill = {"prefill": fleet.prefill_count, **_degrees("prefill", p)}
        return {**prefill, "decode": fleet.decode_count, **_degrees("decode", d)}
    return {"colocated": fleet.count, **_degrees("colocated", fleet.option)}


def _degrees(role: str, option: InstanceOption) -> dict[str, int]:
    return {f"{role}_{name}": degree for name, degree in asdict(option.degrees).items()}


def _number(x: float) -> float:
    return float(f"{x:.10g}")
