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
        DriftingArrivals,
        GammaArrivals,
        ModulatedArrivals,
        PoissonArrivals,
        TraceArrivals,
    )
    from pdplan.workload.classes import SuggestedClasses, suggested_classes
    from pdplan.workload.describe_document import trace_document
    from pdplan.workload.described import (
        ArrivalStatistics,
        LengthStatistics,
        ReuseStatistics,
        TraceStatistics,
    )
    from pdplan.workload.document import trace_workload, workload_yaml
    from pdplan.workload.export import write_trace
    from pdplan.workload.generate import Requests, generate_requests
    from pdplan.workload.hashes import BlockHashes
    from pdplan.workload.history import history_arrivals
    from pdplan.workload.joint import JointLengths, joint_from_pairs, joint_lengths
    from pdplan.workload.law import LengthLaw
    from pdplan.workload.lengths import length_law
    from pdplan.workload.loading import load_workload
    from pdplan.workload.parametric import GeometricLaw, LognormalLaw
    from pdplan.workload.peaks import PlannedRate, rate_for, window_rates
    from pdplan.workload.percentiles import percentile_law
    from pdplan.workload.prefix import PrefixReuse, prefix_reuse
    from pdplan.workload.reading import read_trace
    from pdplan.workload.statistics import arrival_statistics, describe_trace, length_statistics, trace_reuse
    from pdplan.workload.strata import Atoms, law_atoms
    from pdplan.workload.synthetic import requests_for
    from pdplan.workload.table_law import TableLaw, constant_law, quantile_table_law, sample_law, uniform_law
    from pdplan.workload.ticks import Clock, detect_tick, spread_ticks
    from pdplan.workload.traces import Labels, Skipped, Trace
    from pdplan.workload.workload import Workload

__all__ = [
    "ArrivalProcess",
    "ArrivalStatistics",
    "Atoms",
    "BlockHashes",
    "Clock",
    "DriftingArrivals",
    "GammaArrivals",
    "GeometricLaw",
    "JointLengths",
    "Labels",
    "LengthLaw",
    "LengthStatistics",
    "LognormalLaw",
    "ModulatedArrivals",
    "PlannedRate",
    "PoissonArrivals",
    "PrefixReuse",
    "Requests",
    "ReuseStatistics",
    "Skipped",
    "SuggestedClasses",
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
    "history_arrivals",
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
    "requests_for",
    "sample_law",
    "spread_ticks",
    "suggested_classes",
    "trace_document",
    "trace_reuse",
    "trace_workload",
    "uniform_law",
    "window_rates",
    "workload_yaml",
    "write_trace",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "ArrivalProcess": "pdplan.workload.arrivals",
        "ArrivalStatistics": "pdplan.workload.described",
        "Atoms": "pdplan.workload.strata",
        "BlockHashes": "pdplan.workload.hashes",
        "Clock": "pdplan.workload.ticks",
        "DriftingArrivals": "pdplan.workload.arrivals",
        "GammaArrivals": "pdplan.workload.arrivals",
        "GeometricLaw": "pdplan.workload.parametric",
        "JointLengths": "pdplan.workload.joint",
        "Labels": "pdplan.workload.traces",
        "LengthLaw": "pdplan.workload.law",
        "LengthStatistics": "pdplan.workload.described",
        "LognormalLaw": "pdplan.workload.parametric",
        "ModulatedArrivals": "pdplan.workload.arrivals",
        "PlannedRate": "pdplan.workload.peaks",
        "PoissonArrivals": "pdplan.workload.arrivals",
        "PrefixReuse": "pdplan.workload.prefix",
        "Requests": "pdplan.workload.generate",
        "ReuseStatistics": "pdplan.workload.described",
        "Skipped": "pdplan.workload.traces",
        "SuggestedClasses": "pdplan.workload.classes",
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
        "history_arrivals": "pdplan.workload.history",
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
        "requests_for": "pdplan.workload.synthetic",
        "sample_law": "pdplan.workload.table_law",
        "spread_ticks": "pdplan.workload.ticks",
        "suggested_classes": "pdplan.workload.classes",
        "trace_document": "pdplan.workload.describe_document",
        "trace_reuse": "pdplan.workload.statistics",
        "trace_workload": "pdplan.workload.document",
        "uniform_law": "pdplan.workload.table_law",
        "window_rates": "pdplan.workload.peaks",
        "workload_yaml": "pdplan.workload.document",
        "write_trace": "pdplan.workload.export",
    },
)
