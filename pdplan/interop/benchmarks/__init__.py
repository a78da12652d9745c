"""Benchmark results and tables of step times, of many tools, as one kind of record in SI units.

Each tool's file is recognised by its content. `READERS` lists the tools; each reader states in
``Measurements.corrections`` what it converted, recomputed or left out.
"""

from pdplan.interop.benchmarks.reader import Reader
from pdplan.interop.benchmarks.registry import READERS, read_measurements, understood
from pdplan.interop.benchmarks.step_table import COLUMNS_HELP

__all__ = ["COLUMNS_HELP", "READERS", "Reader", "read_measurements", "understood"]
