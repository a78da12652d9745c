"""What arrives: length laws, joint lengths, arrival processes, traces and their statistics."""

from pdplan.workload.joint import JointLengths, joint_from_pairs, joint_lengths
from pdplan.workload.law import LengthLaw
from pdplan.workload.lengths import length_law
from pdplan.workload.parametric import GeometricLaw, LognormalLaw
from pdplan.workload.percentiles import percentile_law
from pdplan.workload.strata import Atoms, law_atoms
from pdplan.workload.table_law import TableLaw, constant_law, quantile_table_law, sample_law, uniform_law

__all__ = [
    "Atoms",
    "GeometricLaw",
    "JointLengths",
    "LengthLaw",
    "LognormalLaw",
    "TableLaw",
    "constant_law",
    "joint_from_pairs",
    "joint_lengths",
    "law_atoms",
    "length_law",
    "percentile_law",
    "quantile_table_law",
    "sample_law",
    "uniform_law",
]
