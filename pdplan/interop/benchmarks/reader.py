"""What a reader of one tool's files is: a name, a look, and two functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pdplan.interop.benchmarks.document import Document
from pdplan.latency.measured import Measurements

Select: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of one tool's files.

    Parameters
    ----------
    name : str
        The tool.
    looks_like : str
        What tells its files, for people.
    recognise : callable
        Whether a document is one, by content alone.
    read : callable
        Read it; the second argument chooses among the systems that a table holds.
    """

    name: str
    looks_like: str
    recognise: Callable[[Document], bool]
    read: Callable[[Document, Select], Measurements]
