"""What `pdplan profile` is given: files of measurements and profiles by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pdplan.errors import InputError
from pdplan.interop.benchmarks import read_measurements
from pdplan.latency.fitting.collect import Gathered, chosen_runs, gather
from pdplan.latency.measured import Measurements
from pdplan.latency.profile import LatencyProfile, load_profile
from pdplan.spec.catalog import catalog_path

_FLEET = re.compile(r"([1-9]\d{0,3})P([1-9]\d{0,3})D", re.IGNORECASE)


def gathered_from(
    files: Sequence[str],
    *,
    select: Sequence[str],
    runs: str | None,
    fleet: str | None,
    tp: int | None,
    named: Mapping[str, str | None],
) -> Gathered:
    """Read the files as one set.

    Raises
    ------
    InputError
        A file, a selection or a fleet that is not understood, or files of several systems.
    """
    wanted = {}
    for pair in select:
        key, equals, value = pair.partition("=")
        if not equals or not value.strip():
            raise InputError(f"--select {pair}: write KEY=VALUE, e.g. --select accelerator=h100")
        wanted[key.strip()] = value.strip()
    instances = None if fleet is None else fleet_of(fleet)
    read = chosen_runs([read_measurements(f, wanted) for f in files], runs)
    return gather([on_fleet(m, instances) for m in read], tp=tp, **named)


def fleet_of(text: str) -> tuple[int, int]:
    """Return the counts in a fleet such as 2P1D.

    Examples
    --------
    >>> fleet_of("2P1D")
    (2, 1)
    """
    found = _FLEET.fullmatch(text.strip())
    if found is None:
        raise InputError(f"--fleet {text}: write prefill and decode instances, e.g. 2P1D")
    return int(found[1]), int(found[2])


def on_fleet(measurements: Measurements, instances: tuple[int, int] | None) -> Measurements:
    """Return the measurements with runs that do not name their instances on these."""
    if instances is None:
        return measurements
    prefill, decode = instances
    runs = (
        run if run.decode_instances else replace(run, prefill_instances=prefill, decode_instances=decode)
        for run in measurements.runs
    )
    return replace(measurements, runs=tuple(runs))


def load_named(name: str) -> LatencyProfile:
    """Load a profile: a YAML file, or a name of the catalog.

    Raises
    ------
    UnknownNameError
        The catalog has no such name.
    InputError
        No such file, or none that is a profile.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and not path.exists():
        raise InputError(
            f"latency profile {name}: no such file; pdplan profile fit ... -o {path.name} writes one, "
            "pdplan catalog ls lists those with a name"
        )
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return load_profile(path)
    return load_profile(catalog_path("latency", name))
