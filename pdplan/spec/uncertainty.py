"""How far the inputs of a plan may be off: intervals and distributions around what was planned with.

Grammar, each against the planned value::

    uncertainty:
      rate: +-20%                              # anything from 20% less to 20% more, all alike
      prompt_tokens: {low: -10%, high: +30%}   # the same, uneven
      decode_time: {lognormal: {sd: 0.15}}     # sd of the logarithm; median: +10% shifts it
      link: certain
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from pdplan import units
from pdplan.errors import UnitError
from pdplan.spec.fields import SpecModel

#: No input is asked to grow beyond so many times what was planned.
LARGEST: Final = 10.0
#: Largest standard deviation of a logarithm: beyond, nothing is known at all.
LARGEST_SD: Final = 1.0
_AROUND: Final = re.compile(r"^(?:\+\s*/?\s*-|±)\s*(?P<share>.+)$")
_FORMS: Final = 'write "+-20%", {low: -10%, high: +30%}, {lognormal: {sd: 0.2}} or certain'


@dataclass(frozen=True, slots=True)
class Interval:
    """A factor on the planned value, anything from ``low`` to ``high`` [-], all alike.

    Examples
    --------
    >>> Interval(0.8, 1.2).quantile(0.25), str(Interval(0.8, 1.2)), str(Interval(1.0, 1.3))
    (0.9, '+-20%', '0% to +30%')
    """

    low: float
    high: float

    def quantile(self, u: Any) -> Any:
        """Factor below which it lies with probability ``u`` [-]."""
        return self.low + (self.high - self.low) * u

    def __str__(self) -> str:
        """Return it as it may be written."""
        if self.low == self.high == 1.0:
            return "certain"
        if abs(self.low + self.high - 2.0) < 1e-12:
            return f"+-{100 * (self.high - 1.0):.4g}%"
        return f"{_change(self.low)} to {_change(self.high)}"

    def document(self) -> Any:
        """Return the form that is read back."""
        return "certain" if self.low == self.high == 1.0 else {k: _exact(getattr(self, k)) for k in ENDS}


ENDS: Final = ("low", "high")


@dataclass(frozen=True, slots=True)
class Lognormal:
    """A factor on the planned value: its ``median`` [-], and the ``sd`` of its normal logarithm [-].

    Examples
    --------
    >>> Lognormal(0.2).quantile(0.5), round(Lognormal(0.2, 1.1).quantile(0.95), 3)     # 1.1 exp(1.645 x 0.2)
    (1.0, 1.528)
    >>> str(Lognormal(0.22, 1.23))
    'lognormal, median +23%, sd 0.22'
    """

    sd: float
    median: float = 1.0

    def quantile(self, u: Any) -> Any:
        """Factor below which it lies with probability ``u``, 0 < u < 1 [-]."""
        import numpy as np

        from pdplan.normal import ndtri

        factor = self.median * np.exp(self.sd * ndtri(u))
        return factor if factor.ndim else float(factor)

    def __str__(self) -> str:
        """Return it in words."""
        middle = "" if self.median == 1.0 else f"median {_change(self.median)}, "
        return f"lognormal, {middle}sd {self.sd:.3g}"

    def document(self) -> Any:
        """Return the form that is read back."""
        middle = {} if self.median == 1.0 else {"median": _exact(self.median)}
        return {"lognormal": {"sd": self.sd, **middle}}


Spread = Interval | Lognormal
CERTAIN: Final = Interval(1.0, 1.0)


def read_spread(value: Any) -> Spread | None:
    """Return what an uncertainty says.

    Raises
    ------
    UnitError
        Not one of the forms, or out of range.

    Examples
    --------
    >>> read_spread("+-20%")
    Interval(low=0.8, high=1.2)
    >>> read_spread({"low": "-10%", "high": "+30%"})
    Interval(low=0.9, high=1.3)
    >>> read_spread({"lognormal": {"sd": 0.2}})
    Lognormal(sd=0.2, median=1.0)
    """
    if value is None or isinstance(value, (Interval, Lognormal)):
        return value
    if isinstance(value, str):
        return _around(value)
    if isinstance(value, Mapping):
        keys = {str(k) for k in value}
        if keys == set(ENDS):
            low, high = (_factor(value[end], end) for end in ENDS)
            if low > high:
                raise UnitError(f"value is {dict(value)!r}: low lies above high, so swap them")
            return Interval(low, high)
        if keys == {"lognormal"} and isinstance(value["lognormal"], Mapping):
            return _lognormal(value["lognormal"])
    shown = dict(value) if isinstance(value, Mapping) else value
    raise UnitError(f"value is {shown!r}: {_FORMS}")


def _around(text: str) -> Interval:
    if text.strip().lower() == "certain":
        return CERTAIN
    found = _AROUND.match(text.strip())
    if found is None or "%" not in text:
        raise UnitError(f"value is {text!r}: {_FORMS}")
    half = units.parse(found["share"], "fraction")
    if not 0 <= half < 1:
        raise UnitError(f"value is {text!r}: it must lie between +-0% and +-100%, the end excluded")
    return Interval(round(1.0 - half, 12), round(1.0 + half, 12))


def _factor(value: Any, what: str) -> float:
    """Read a change such as ``-10%`` as a factor such as 0.9."""
    if not isinstance(value, str) or "%" not in value:
        raise UnitError(f"{what} is {value!r}: write the change against the plan in percent, such as -10%")
    factor = round(1.0 + units.parse(value, "fraction", what=what), 12)
    if not 0 < factor <= LARGEST:
        raise UnitError(f"{what} is {value!r}: it must lie above -100% and at most +{LARGEST - 1:.0%}")
    return factor


def _lognormal(form: Mapping[Any, Any]) -> Lognormal:
    unknown = [str(k) for k in form if k not in ("sd", "median")]
    if unknown or "sd" not in form:
        raise UnitError(f"lognormal is {dict(form)!r}: write {{sd: 0.2}} or {{sd: 0.2, median: +10%}}")
    sd = units.parse(form["sd"], "fraction", what="sd")
    if not 0 < sd <= LARGEST_SD:
        raise UnitError(
            f"sd is {form['sd']!r}: the standard deviation of the logarithm lies above 0 and at most "
            f"{LARGEST_SD:g}"
        )
    return Lognormal(sd, _factor(form["median"], "median") if "median" in form else 1.0)


def _change(factor: float) -> str:
    change = 100.0 * (factor - 1.0)
    return "0%" if abs(change) < 1e-9 else f"{change:+.4g}%"


def _exact(factor: float) -> str:
    return f"{round(100.0 * (factor - 1.0), 10):+.12g}%"


def _write(value: Spread | None) -> Any:
    return None if value is None else value.document()


_PERCENT: Final = {"type": "string", "examples": ["-10%", "+30%"]}
_SCHEMA: Final = {
    "anyOf": [
        {"type": "string", "examples": ["+-20%", "certain"]},
        {
            "type": "object",
            "properties": {"low": _PERCENT, "high": _PERCENT},
            "required": ["low", "high"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "lognormal": {
                    "type": "object",
                    "properties": {"sd": {"type": ["number", "string"]}, "median": _PERCENT},
                    "required": ["sd"],
                    "additionalProperties": False,
                }
            },
            "required": ["lognormal"],
            "additionalProperties": False,
        },
        {"type": "null"},
    ]
}
SpreadField = Annotated[
    Spread | None,
    PlainValidator(read_spread),
    PlainSerializer(_write),
    WithJsonSchema(_SCHEMA),
]


class Uncertainty(SpecModel):
    """How far each input may be off, as a factor on what the plan takes.

    Examples
    --------
    >>> u = Uncertainty.model_validate({"rate": "+-20%", "decode_time": {"lognormal": {"sd": 0.1}}})
    >>> str(u.rate), str(u.decode_time), u.link
    ('+-20%', 'lognormal, sd 0.1', None)
    """

    rate: SpreadField = Field(default=None, description="Arrival rate, all classes together.")
    prefill_time: SpreadField = Field(
        default=None,
        description="Prefill and host time of a prompt; default: the error of the latency model where known.",
    )
    decode_time: SpreadField = Field(
        default=None,
        description="Time of a decode step; default: the error of the latency model where known.",
    )
    prompt_tokens: SpreadField = Field(default=None, description="Prompt lengths, all scaled alike.")
    output_tokens: SpreadField = Field(default=None, description="Output lengths, all scaled alike.")
    step_factor: SpreadField = Field(
        default=None, description="In-system over isolated speed of decode steps; an interval."
    )
    link: SpreadField = Field(default=None, description="Bandwidth of the KV link.")
