"""What arrives: length laws, joint lengths, arrival processes, traces and their statistics."""

from pdplan.workload.arrivals import (
    ArrivalProcess,
    GammaArrivals,
    ModulatedArrivals,
    PoissonArrivals,
    TraceArrivals,
)
from pdplan.workload.generate import Requests, generate_requests
from pdplan.workload.joint import JointLengths, joint_from_pairs, joint_lengths
from pdplan.workload.law import LengthLaw
from pdplan.workload.lengths import length_law
from pdplan.workload.parametric import GeometricLaw, LognormalLaw
from pdplan.workload.percentiles import percentile_law
from pdplan.workload.prefix import PrefixReuse, prefix_reuse
from pdplan.workload.statistics import (
    ArrivalStatistics,
    LengthStatistics,
    TraceStatistics,
    arrival_statistics,
    describe_trace,
    length_statistics,
)
from pdplan.workload.strata import Atoms, law_atoms
from pdplan.workload.table_law import TableLaw, constant_law, quantile_table_law, sample_law, uniform_law
from pdplan.workload.ticks import Clock, detect_tick, spread_ticks
from pdplan.workload.traces import Trace, read_trace
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
    "PoissonArrivals",
    "PrefixReuse",
    "Requests",
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
    "percentile_law",
    "prefix_reuse",
    "quantile_table_law",
    "read_trace",
    "sample_law",
    "spread_ticks",
    "uniform_law",
]
