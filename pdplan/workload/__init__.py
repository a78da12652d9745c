"""What arrives: length laws, joint lengths, arrival processes, traces and their statistics.

From files: `load_workload` (a workload document or a trace, by content), `read_trace`, `describe_trace`,
`rate_for` (the rate that a share of the windows does not exceed, and what share of time that covers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.lazy import exports

if TYPE_CHECKING:
    from pdplan.workload.arrivals import (
        ArrivalProcess,
        GammaArrivals,
        ModulatedArrivals,
        PoissonArrivals,
        TraceArrivals,
    )
    from pdplan.workload.described import (
        ArrivalStatistics,
        LengthStatistics,
        ReuseStatistics,
        TraceStatistics,
    )
    from pdplan.workload.generate import Requests, generate_requests
    from pdplan.workload.joint import JointLengths, joint_from_pairs, joint_lengths
    from pdplan.workload.law import LengthLaw
    from pdplan.workload.lengths import length_law
    from pdplan.workload.loading import load_workload
    from pdplan.workload.parametric import GeometricLaw, LognormalLaw
    from pdplan.workload.peaks import PlannedRate, rate_for, window_rates
    from pdplan.workload.percentiles import percentile_law
    from pdplan.workload.prefix import PrefixReuse, prefix_reuse
    from pdplan.workload.reading import read_trace
    from pdplan.workload.statistics import arrival_statistics, describe_trace, length_statistics
    from pdplan.workload.strata import Atoms, law_atoms
    from pdplan.workload.table_law import TableLaw, constant_law, quantile_table_law, sample_law, uniform_law
    from pdplan.workload.ticks import Clock, detect_tick, spread_ticks
    from pdplan.workload.traces import Trace
    from pdplan.workload.workload import Workload

__all__ = [
    "ArrivalProcess",
    "ArrivalStatistics",
    "Atoms",
    "Clock",
    "GammaArrivals",
    "GeometricLaw",
    "JointLengths",
    "LengthLaw",
    "LengthStatistics",
    "LognormalLaw",
    "ModulatedArrivals",
    "PlannedRate",
    "PoissonArrivals",
    "PrefixReuse",
    "Requests",
    "ReuseStatistics",
    "TableLaw",
    "Trace",
    "TraceArrivals",
    "TraceStatistics",
    "Workload",
    "arrival_statistics",
    "constant_law",
    "describe_trace",
    "detect_tick",
    "generate_requests",
    "joint_from_pairs",
    "joint_lengths",
    "law_atoms",
    "length_law",
    "length_statistics",
    "load_workload",
    "percentile_law",
    "prefix_reuse",
    "quantile_table_law",
    "rate_for",
    "read_trace",
    "sample_law",
    "spread_ticks",
    "uniform_law",
    "window_rates",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "ArrivalProcess": "pdplan.workload.arrivals",
        "ArrivalStatistics": "pdplan.workload.described",
        "Atoms": "pdplan.workload.strata",
        "Clock": "pdplan.workload.ticks",
        "GammaArrivals": "pdplan.workload.arrivals",
        "GeometricLaw": "pdplan.workload.parametric",
        "JointLengths": "pdplan.workload.joint",
        "LengthLaw": "pdplan.workload.law",
        "LengthStatistics": "pdplan.workload.described",
        "LognormalLaw": "pdplan.workload.parametric",
        "ModulatedArrivals": "pdplan.workload.arrivals",
        "PlannedRate": "pdplan.workload.peaks",
        "PoissonArrivals": "pdplan.workload.arrivals",
        "PrefixReuse": "pdplan.workload.prefix",
        "Requests": "pdplan.workload.generate",
        "ReuseStatistics": "pdplan.workload.described",
        "TableLaw": "pdplan.workload.table_law",
        "Trace": "pdplan.workload.traces",
        "TraceArrivals": "pdplan.workload.arrivals",
        "TraceStatistics": "pdplan.workload.described",
        "Workload": "pdplan.workload.workload",
        "arrival_statistics": "pdplan.workload.statistics",
        "constant_law": "pdplan.workload.table_law",
        "describe_trace": "pdplan.workload.statistics",
        "detect_tick": "pdplan.workload.ticks",
        "generate_requests": "pdplan.workload.generate",
        "joint_from_pairs": "pdplan.workload.joint",
        "joint_lengths": "pdplan.workload.joint",
        "law_atoms": "pdplan.workload.strata",
        "length_law": "pdplan.workload.lengths",
        "length_statistics": "pdplan.workload.statistics",
        "load_workload": "pdplan.workload.loading",
        "percentile_law": "pdplan.workload.percentiles",
        "prefix_reuse": "pdplan.workload.prefix",
        "quantile_table_law": "pdplan.workload.table_law",
        "rate_for": "pdplan.workload.peaks",
        "read_trace": "pdplan.workload.reading",
        "sample_law": "pdplan.workload.table_law",
        "spread_ticks": "pdplan.workload.ticks",
        "uniform_law": "pdplan.workload.table_law",
        "window_rates": "pdplan.workload.peaks",
    },
)
