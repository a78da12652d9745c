"""The rate of each class in each step of time: from a file of a day, or from a trace."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from pdplan import units
from pdplan.errors import InputError
from pdplan.spec.yaml_lines import read_value

_MAX_BYTES: Final = 4 * 2**20
#: A profile has at most so many steps (four weeks of minutes).
MAX_STEPS: Final = 40_320
#: Columns of a table that say when a step begins; their values are not read.
_TIMES: Final = frozenset({"hour", "time", "start", "step"})
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class RateProfile:
    """Rates in steps of equal length.

    Parameters
    ----------
    step_s : float
        Length of a step [s].
    rates : mapping of str to tuple of float
        Rate in each step by class; under the name "" the rate of all classes together [1/s].
    repeats : bool
        Whether the last step is followed by the first (a day), or by nothing (a trace).
    source : str
        The file.
    """

    step_s: float
    rates: Mapping[str, tuple[float, ...]]
    repeats: bool
    source: str

    @classmethod
    def of_day(cls, path: str, step_s: float = _HOUR_S) -> RateProfile:
        """Read the profile of a day; see `read_profile`."""
        return read_profile(path, step_s)

    @classmethod
    def of_trace(cls, path: str, step_s: float = _HOUR_S) -> RateProfile:
        """Count the requests of a trace in each step; see `profile_of_trace`."""
        return profile_of_trace(path, step_s)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(next(iter(self.rates.values())))

    def by_class(self, planned: Mapping[str, float]) -> list[tuple[float, ...]]:
        """Return the rates of all classes in each step; the planned mix where only the total is known [1/s].

        Raises
        ------
        InputError
            Classes of the profile and of the scenario differ.

        Examples
        --------
        >>> RateProfile(3600.0, {"": (2.0, 8.0)}, True, "day").by_class({"chat": 3.0, "rag": 1.0})
        [(1.5, 0.5), (6.0, 2.0)]
        """
        if "" in self.rates:
            total = math.fsum(planned.values())
            return [tuple(r * share / total for share in planned.values()) for r in self.rates[""]]
        unknown = sorted(set(self.rates) - set(planned))
        missing = sorted(set(planned) - set(self.rates))
        if unknown or missing:
            what = (
                f"no class {unknown[0]!r} in the scenario" if unknown else f"no rates of class {missing[0]!r}"
            )
            raise InputError(f"{self.source}: {what}; the classes are {', '.join(planned)}")
        return list(zip(*(self.rates[name] for name in planned), strict=True))


def profile_of_trace(path: str, step_s: float = _HOUR_S) -> RateProfile:
    """Return the mean rate in each whole step of a trace.

    Raises
    ------
    InputError
        Not a trace, or shorter than one step.
    """
    from pdplan.workload import load_workload, window_rates

    trace = load_workload(path).trace
    if trace is None:
        raise InputError(f"{path} is a workload, not a trace: it has no requests to count")
    try:
        rates = window_rates(trace, step_s)
    except InputError as error:
        raise InputError(
            f"{path}: steps of {units.show(step_s, 'time')}: {error}; give a shorter --step"
        ) from None
    return _checked(step_s, {"": rates.tolist()}, repeats=False, source=path)


def read_profile(path: str, step_s: float = _HOUR_S) -> RateProfile:
    """Read the profile of a day.

    YAML: ``{step: 1 h, rates: [2 req/s, ..]}`` for all classes together, or a list for each: ``rates:
    {chat: [..], rag: [..]}``.
    CSV: a header, one line for each step; ``rate_req_per_s`` for all classes together, or
    ``<class>_req_per_s`` for each; ``_req_per_min`` as well. A column ``hour``, ``time``, ``start`` or
    ``step`` may say when.

    Parameters
    ----------
    path : str
        A .yaml, .yml, .json or .csv file.
    step_s : float
        Length of a step where the file does not say [s].

    Raises
    ------
    InputError
        Unreadable, empty, not of that form, negative or not finite rates, no traffic at all.
    """
    text = _text(Path(path))
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        return _checked(step_s, _from_csv(text, path), repeats=True, source=path)
    if suffix in (".yaml", ".yml", ".json"):
        return _from_yaml(text, path, step_s)
    raise InputError(f"{path}: a profile of a day is a .yaml or .csv file; for a trace use --trace")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path}: larger than {_MAX_BYTES // 2**20} MiB: a profile has a rate for each hour")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text: a profile is a .yaml or .csv file") from None
    if not text.strip() or "\0" in text:
        raise InputError(f"{path}: empty or not text: write a rate for each hour of the day")
    return text


def _from_yaml(text: str, path: str, step_s: float) -> RateProfile:
    try:
        document = read_value(text)
    except (yaml.YAMLError, ValueError):
        raise InputError(f"{path}: not valid YAML") from None
    if not isinstance(document, Mapping) or "rates" not in document:
        raise InputError(f"{path}: write rates: [2 req/s, ..], or rates: {{chat: [..], rag: [..]}}")
    unknown = [str(k) for k in document if k not in ("rates", "step")]
    if unknown:
        raise InputError(f"{path}: unknown key {unknown[0]!r}: a profile has step and rates")
    if "step" in document:
        step_s = units.parse(document["step"], "time", what=f"{path}: step")
    given = document["rates"]
    lists = given if isinstance(given, Mapping) else {"": given}
    rates: dict[str, list[float]] = {}
    for name, values in lists.items():
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise InputError(
                f"{path}: rates of {name or 'all classes'}: write a list, one rate for each step"
            )
        what = f"{path}: rates.{name}" if name else f"{path}: rates"
        rates[str(name)] = [units.parse(v, "rate", what=f"{what}[{i}]") for i, v in enumerate(values)]
    return _checked(step_s, rates, repeats=True, source=path)


_SUFFIXES: Final = {"_req_per_s": 1.0, "_req_per_min": 1 / 60.0, "_req_per_h": 1 / 3600.0}


def _from_csv(text: str, path: str) -> dict[str, list[float]]:
    rows = [row for row in csv.reader(text.splitlines()) if any(cell.strip() for cell in row)]
    head = [cell.strip() for cell in rows[0]]
    columns: dict[str, tuple[int, float]] = {}
    for place, name in enumerate(head):
        suffix = next((s for s in _SUFFIXES if name.endswith(s)), None)
        if suffix is not None:
            word = name.removesuffix(suffix)
            columns["" if word == "rate" else word] = (place, _SUFFIXES[suffix])
        elif name.lower() not in _TIMES:
            raise InputError(f"{path}:1: column {name!r}: write rate_req_per_s, or <class>_req_per_s")
    if not columns:
        raise InputError(f"{path}:1: no rates: name a column rate_req_per_s, or <class>_req_per_s")
    rates: dict[str, list[float]] = {name: [] for name in columns}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise InputError(f"{path}: row {line} has {len(row)} cells, the header {len(head)}")
        for name, (place, factor) in columns.items():
            try:
                rates[name].append(float(row[place]) * factor)
            except ValueError:
                raise InputError(f"{path}: row {line}: {row[place]!r} is not a number") from None
    return rates


def _checked(
    step_s: float, rates: Mapping[str, Sequence[float]], *, repeats: bool, source: str
) -> RateProfile:
    if not rates or ("" in rates and len(rates) > 1):
        raise InputError(f"{source}: give either the rate of all classes together, or one for each class")
    if not (math.isfinite(step_s) and step_s >= 1.0):
        raise InputError(f"{source}: a step of {step_s:g} s: give at least 1 s, such as 1 h")
    lengths = {len(values) for values in rates.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise InputError(f"{source}: every class needs a rate in every step, and there is at least one step")
    if max(lengths) > MAX_STEPS:
        raise InputError(f"{source}: {max(lengths)} steps: at most {MAX_STEPS}; give a longer --step")
    for name, values in rates.items():
        for i, rate in enumerate(values):
            if not math.isfinite(rate) or rate < 0:
                raise InputError(
                    f"{source}: step {i + 1}{f' of {name}' if name else ''}: a rate of {rate:g} req/s"
                )
    if not any(rate > 0 for values in rates.values() for rate in values):
        raise InputError(f"{source}: no request in any step")
    return RateProfile(step_s, {k: tuple(map(float, v)) for k, v in rates.items()}, repeats, source)


def hours(start_s: float) -> str:
    """Write a time of the schedule as hours and minutes, with the day where it is not the first.

    Examples
    --------
    >>> hours(9.5 * 3600), hours(25 * 3600), hours(-300)
    ('09:30', '1d 01:00', '-1d 23:55')
    """
    day, rest = divmod(round(start_s), 86400)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}"
    seconds = rest % 60
    return (f"{day}d " if day else "") + clock + (f":{seconds:02d}" if seconds else "")


def value_list(rates: Sequence[float]) -> list[Any]:
    """Round rates for a document."""
    return [float(f"{r:.10g}") for r in rates]
