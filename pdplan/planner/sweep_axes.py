"""What a sweep runs over: fields of a scenario, and the values that each takes.

Grammar of one axis, ``key=values`` with the keys of ``--set``::

    classes.chat.rate=2..20:10          10 values from 2 to 20, evenly
    classes.chat.rate=log 1..64 req/s:7 7 values from 1 to 64, evenly in the logarithm
    fleet.prefill.count=1..8            every whole number from 1 to 8
    link=[roce-100g, ib-ndr-400g]       these
    overlap=50%                         this one
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from pdplan.errors import InputError
from pdplan.spec.yaml_lines import read_value

#: A sweep has at most so many points.
MAX_POINTS: Final = 1_000_000

_NUMBER: Final = r"[+-]?(?:\d[\d_]*(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_UNIT: Final = r"[^\s\d:.\[\]][^:\[\]]*?"
_RANGE: Final = re.compile(
    rf"^(?P<log>log\s+)?(?P<low>{_NUMBER})\s*(?P<unit_low>{_UNIT})?\s*\.\.\s*"
    rf"(?P<high>{_NUMBER})\s*(?P<unit>{_UNIT})?\s*(?::\s*(?P<points>\d+))?$"
)
_WHOLE: Final = re.compile(r"^[+-]?\d[\d_]*$")


@dataclass(frozen=True, slots=True)
class Axis:
    """One field and its values: either ``choices``, or a range from ``low`` to ``high``.

    ``unit`` follows every number of a range, and every number among the choices. ``whole``: the range is of
    whole numbers. ``points`` is None where the range does not say how many.
    """

    key: str
    unit: str = ""
    choices: tuple[Any, ...] | None = None
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    points: int | None = None

    @property
    def column(self) -> str:
        """Name of its column: the key, with the unit of its numbers."""
        return f"{self.key} [{self.unit}]" if self.unit else self.key

    @property
    def numeric(self) -> bool:
        """Whether every value is a number, so that a unit may follow."""
        return self.choices is None or all(_is_number(v) for v in self.choices)

    def values(self) -> tuple[Any, ...]:
        """Return the values of a grid.

        Raises
        ------
        InputError
            A range of fractions that does not say how many values.

        Examples
        --------
        >>> parse_axis("fleet.prefill.count=1..4").values()
        (1, 2, 3, 4)
        >>> parse_axis("classes.chat.rate=log 1..64 req/s:4").values()
        (1, 4, 16, 64)
        """
        if self.choices is not None:
            return self.choices
        if self.whole:
            return tuple(range(int(self.low), int(self.high) + 1))
        if self.points is None:
            raise InputError(
                f"--over {self.key}: {self.low:g}..{self.high:g} does not say how many values: "
                f"write {self.low:g}..{self.high:g}:10"
            )
        last = max(self.points - 1, 1)
        return tuple(self.at(i / last) for i in range(self.points))

    def at(self, share: float) -> Any:
        """Return the value that lies this share (0 to 1) of the way along the axis."""
        if self.choices is not None:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        if self.whole:
            count = int(self.high) - int(self.low) + 1
            return int(self.low) + min(int(share * count), count - 1)
        if self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        return _plain(value)

    def setting(self, value: Any) -> str:
        """Return ``key=value`` as ``--set`` takes it."""
        if self.unit and _is_number(value):
            value = f"{value!r}{self.unit if self.unit == '%' else ' ' + self.unit}"
        try:
            return f"{self.key}={json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        except (TypeError, ValueError):
            raise InputError(
                f"--over {self.key}: {value!r} is not a value that a scenario can hold"
            ) from None

    def with_unit_of(self, written: Any) -> Axis:
        """Give bare numbers the unit that the scenario's own value has, if it has one."""
        if self.unit or not self.numeric or not isinstance(written, str):
            return self
        match = re.match(rf"^\s*{_NUMBER}\s*({_UNIT})$", written)
        return replace(self, unit=match[1]) if match else self


def parse_axis(text: str) -> Axis:
    """Read one axis; see the grammar above.

    Raises
    ------
    InputError
        Not ``key=values``, an empty list, a range that goes down or, in the logarithm, reaches 0.

    Examples
    --------
    >>> parse_axis("classes.chat.rate=2..20 req/s:10").values()[:3]
    (2, 4, 6)
    >>> parse_axis("link=[roce-100g, ib-ndr-400g]").choices
    ('roce-100g', 'ib-ndr-400g')
    """
    key, sep, raw = text.partition("=")
    key, raw = key.strip(), raw.strip()
    if not sep or not key or not raw:
        raise InputError(f"--over {text!r}: write key=values, e.g. classes.chat.rate=2..20:10 or link=[a, b]")
    match = _RANGE.match(raw)
    if match is None:
        try:
            value = read_value(raw)
        except yaml.YAMLError:
            raise InputError(f"--over {text!r}: the values are not valid YAML") from None
        if isinstance(value, str) and ".." in value and not raw.startswith(("'", '"')):
            raise InputError(f"--over {text!r}: a range is a..b, a..b:n or log a..b:n, with numbers a and b")
        return axis_of(key, value if isinstance(value, list) else [value])
    return _range(key, raw, match)


def _range(key: str, raw: str, match: re.Match[str]) -> Axis:
    low, high = (float(match[end].replace("_", "")) for end in ("low", "high"))
    unit = match["unit"] or match["unit_low"] or ""
    if match["unit_low"] and match["unit"] and match["unit_low"] != match["unit"]:
        raise InputError(f"--over {key}={raw}: two units: write both ends in {match['unit']}")
    points = None if match["points"] is None else int(match["points"])
    if not (math.isfinite(low) and math.isfinite(high)) or high < low:
        raise InputError(f"--over {key}={raw}: a range goes from the smaller to the larger number")
    if match["log"] and low <= 0:
        raise InputError(f"--over {key}={raw}: a logarithmic range starts above 0")
    if points is not None and not 1 <= points <= MAX_POINTS:
        raise InputError(f"--over {key}={raw}: {points} values: give from 1 to {MAX_POINTS}")
    whole = points is None and bool(_WHOLE.match(match["low"]) and _WHOLE.match(match["high"]))
    if whole and high - low >= MAX_POINTS:
        raise InputError(f"--over {key}={raw}: more than {MAX_POINTS} values: write {raw}:100")
    return Axis(key, unit, None, low, high, bool(match["log"]), whole and not match["log"], points)


def axis_of(key: str, values: Sequence[Any]) -> Axis:
    """Return the axis of explicit values."""
    if not values:
        raise InputError(f"--over {key}: no values: give at least one")
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"--over {key}: {value!r} is not a finite number")
    return Axis(key, choices=tuple(values))


def axes_of(over: Mapping[str, Any] | Sequence[str]) -> tuple[Axis, ...]:
    """Read all axes: texts ``key=values``, or a mapping from keys to values (a list, or a range as text).

    Raises
    ------
    InputError
        None, one twice, or one that cannot be read.

    Examples
    --------
    >>> [a.values() for a in axes_of({"overlap": [0, 0.5], "fleet.prefill.count": "1..3"})]
    [(0, 0.5), (1, 2, 3)]
    """
    if isinstance(over, str):
        over = [over]
    if isinstance(over, Mapping):
        axes = tuple(_of_item(key, values) for key, values in over.items())
    else:
        axes = tuple(parse_axis(text) for text in over)
    if not axes:
        raise InputError("a sweep needs something to vary: --over classes.chat.rate=2..20:10")
    keys = [a.key for a in axes]
    twice = next((k for k in keys if keys.count(k) > 1), None)
    if twice is not None:
        raise InputError(f"--over {twice} is given twice: write all its values as one list")
    return axes


def _of_item(key: str, values: Any) -> Axis:
    if isinstance(values, str):
        return parse_axis(f"{key}={values}")
    if hasattr(values, "tolist"):  # an array of numpy
        values = values.tolist()
    if isinstance(values, (bool, int, float, Mapping)):
        values = [values]
    return axis_of(key, list(values))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(value: float) -> float | int:
    """Round off what binary fractions add, and write whole numbers as such."""
    value = float(f"{value:.12g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
