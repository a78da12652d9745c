"""A rate read from a trace: which of its windows the plan must carry."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from pydantic import Field, field_validator

from pdplan import units
from pdplan.errors import UnitError
from pdplan.spec.fields import SpecModel

_PLAN_FOR: Final = re.compile(r"^(mean|peak|p(?P<percent>\d+(\.\d+)?))( of (?P<window>.+?) windows)?$")
_WANTED: Final = "write 'p99 of 60 s windows', 'peak of 60 s windows' or 'mean'"


class WindowRate(NamedTuple):
    """Which rate of which windows [s]: a probability (1: the busiest), or None for the mean rate."""

    probability: float | None
    window_s: float


def read_plan_for(text: str) -> WindowRate:
    """Return what ``plan_for`` asks for.

    Raises
    ------
    UnitError
        Not one of the forms, or a percentile or window out of range.

    Examples
    --------
    >>> read_plan_for("p99 of 60 s windows")
    WindowRate(probability=0.99, window_s=60.0)
    >>> read_plan_for("mean")
    WindowRate(probability=None, window_s=60.0)
    """
    found = _PLAN_FOR.match(" ".join(text.split()))
    if found is None or (found["window"] is None) != (text.strip() == "mean"):
        raise UnitError(f"value is {text!r}: {_WANTED}")
    if found["window"] is None:
        return WindowRate(None, 60.0)
    window_s = units.parse(found["window"], "time")
    if window_s <= 0:
        raise UnitError(f"value is {text!r}: a window is longer than 0 s")
    if found[1] == "mean":
        return WindowRate(None, window_s)
    probability = 1.0 if found["percent"] is None else float(f"{found['percent']}e-2")
    if not 0.0 < probability <= 1.0:
        raise UnitError(f"value is {text!r}: a percentile lies between p0 and p100")
    return WindowRate(probability, window_s)


class TraceRate(SpecModel):
    """The arrival rate of a class, from the requests of a trace."""

    trace: str = Field(min_length=1, description="Trace file, relative to the scenario's folder.")
    plan_for: str = Field(
        default="p99 of 60 s windows",
        description="Which rate of the trace: pXX or peak of windows of a length, or mean.",
    )

    @field_validator("plan_for", mode="before")
    @classmethod
    def _readable(cls, value: Any) -> str:
        if not isinstance(value, str):
            raise UnitError(f"value is {value!r}: {_WANTED}")
        read_plan_for(value)
        return value

    @property
    def window_rate(self) -> WindowRate:
        """What ``plan_for`` asks for."""
        return read_plan_for(self.plan_for)
