"""The points of a sweep: a grid or a Latin hypercube, and the scenario at each."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdplan._version import __version__
from pdplan.errors import InputError
from pdplan.planner.sweep_axes import MAX_POINTS, Axis
from pdplan.spec.loading import from_document, override
from pdplan.spec.scenario import Origin, Scenario


@dataclass(frozen=True, slots=True)
class Point:
    """One point: its settings as ``--set`` takes them, and its values by column."""

    settings: tuple[str, ...]
    values: Mapping[str, Any]


def grid(axes: tuple[Axis, ...]) -> tuple[Point, ...]:
    """Return every combination; the last axis runs fastest.

    Raises
    ------
    InputError
        More than a million points.

    Examples
    --------
    >>> from pdplan.planner.sweep_axes import axes_of
    >>> [p.settings for p in grid(axes_of({"overlap": [0, 1], "kv_dtype": ["bf16", "fp8"]}))][:2]
    [('overlap=0', 'kv_dtype="bf16"'), ('overlap=0', 'kv_dtype="fp8"')]
    """
    columns = [axis.values() for axis in axes]
    total = math.prod(len(c) for c in columns)
    if total > MAX_POINTS:
        raise InputError(f"{total} points: a sweep has at most {MAX_POINTS}; use fewer values, or --latin N")
    return tuple(_point(axes, values) for values in itertools.product(*columns))


def latin(axes: tuple[Axis, ...], points: int, seed: int) -> tuple[Point, ...]:
    """Return a Latin hypercube: each axis cut into ``points`` equal parts, each part used once.

    Source: McKay, Beckman and Conover 1979, section 2 (`scipy.stats.qmc.LatinHypercube`).
    """
    import numpy as np
    from scipy.stats import qmc

    if not 1 <= points <= MAX_POINTS:
        raise InputError(f"--latin {points}: give from 1 to {MAX_POINTS} points")
    shares = qmc.LatinHypercube(len(axes), seed=np.random.default_rng(seed)).random(points)
    return tuple(_point(axes, [a.at(float(u)) for a, u in zip(axes, row, strict=True)]) for row in shares)


def _point(axes: tuple[Axis, ...], values: Any) -> Point:
    pairs = list(zip(axes, values, strict=True))
    return Point(tuple(a.setting(v) for a, v in pairs), {a.column: v for a, v in pairs})


@dataclass(frozen=True, eq=False, slots=True)
class Base:
    """A scenario as plain data that points are written into; travels to other processes."""

    document: Mapping[str, Any]
    source: str

    @classmethod
    def of(cls, scenario: Scenario) -> Base:
        """Take a scenario apart; file names stay relative to its own folder."""
        document = scenario.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        source = scenario.origin.source
        return cls(document, str(Path(source).absolute()) if Path(source).is_file() else source)

    def scenario(self, settings: tuple[str, ...] = ()) -> Scenario:
        """Return the scenario at a point.

        Raises
        ------
        ScenarioError
            A setting that the scenario refuses.
        """
        document = copy.deepcopy(dict(self.document))
        for setting in settings:
            override(document, setting)
        return from_document(document, Origin(self.source, {}))

    def keys(self, points: tuple[Point, ...], quantities: str) -> list[str]:
        """Return what identifies each point's result: scenario, files that it names, settings, version."""
        base = hashlib.sha256(
            json.dumps([__version__, quantities, self.document], sort_keys=True).encode()
        ).hexdigest()
        folder, seen = Path(self.source).parent, dict[str, str]()
        files = [_file_hash(folder, text, seen) for text in _texts(self.document)]
        return [
            hashlib.sha256(
                json.dumps(
                    [base, files, point.settings, [_file_hash(folder, t, seen) for t in _given(point)]]
                ).encode()
            ).hexdigest()[:32]
            for point in points
        ]


def with_units(axes: tuple[Axis, ...], scenario: Scenario) -> tuple[Axis, ...]:
    """Give bare numbers the SI unit of the field they are for (``2..20`` of a rate: req/s)."""
    written = scenario.model_dump(mode="json", exclude_none=True)
    return tuple(axis.with_unit_of(_value_at(written, axis.key)) for axis in axes)


def _value_at(document: Any, key: str) -> Any:
    place = document
    for step in key.split("."):
        if isinstance(place, list):
            named = next((c for c in place if isinstance(c, dict) and c.get("name", "all") == step), None)
            place = named or (place[int(step)] if step.isdigit() and int(step) < len(place) else None)
        elif isinstance(place, dict):
            place = place.get(step)
        else:
            return None
    return place


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _given(point: Point) -> list[str]:
    return list(_texts(list(point.values.values())))


_FILE_LIKE = re.compile(r"^[^\n]{1,1000}\.[A-Za-z0-9]{1,8}$")


def _file_hash(folder: Path, text: str, seen: dict[str, str]) -> str:
    """Return the hash of the file of that name beside the scenario; empty where there is none."""
    if text not in seen:
        path = folder / text
        there = _FILE_LIKE.match(text) is not None and path.is_file()
        seen[text] = hashlib.sha256(path.read_bytes()).hexdigest() if there else ""
    return seen[text]
