"""Bring the measurements of several files together, by (tp, pp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from pdplan.errors import InputError
from pdplan.latency.fitting.runs import points_from_runs, run_name
from pdplan.latency.measured import DecodePoint, Measurements, PrefillPoint, ServingRun

Degrees = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Step points and runs by (tp, pp), and what was said about them.

    ``from_runs``: kinds of steps at some (tp, pp) that stand on end-to-end runs, as (kind, tp, pp).
    """

    prefill: dict[Degrees, tuple[PrefillPoint, ...]]
    decode: dict[Degrees, tuple[DecodePoint, ...]]
    runs: dict[Degrees, tuple[ServingRun, ...]]
    kv_capacity: dict[Degrees, int]
    from_runs: frozenset[tuple[str, int, int]]
    model: str | None
    accelerator: str | None
    engine: str | None
    files: tuple[str, ...]
    corrections: tuple[str, ...]
    notes: tuple[str, ...]


def gather(
    measurements: Sequence[Measurements],
    *,
    tp: int | None = None,
    model: str | None = None,
    accelerator: str | None = None,
    engine: str | None = None,
) -> Gathered:
    """Return all measurements as one set of one system.

    Parameters
    ----------
    measurements : sequence of Measurements
        One for each file.
    tp : int, optional
        Degree of runs that do not say theirs; 1 if not given.
    model, accelerator, engine : str, optional
        What they are called, whatever the files say.

    Raises
    ------
    InputError
        Files of different models or accelerators, not told to be one.

    Examples
    --------
    >>> one = Measurements("tool", "a.csv", prefill=(PrefillPoint(512, 0.07, tp=2),), model="llama")
    >>> gathered = gather([one])
    >>> sorted(gathered.prefill), gathered.model
    ([(2, 1)], 'llama')
    """
    prefill: dict[Degrees, list[PrefillPoint]] = {}
    decode: dict[Degrees, list[DecodePoint]] = {}
    runs: dict[Degrees, list[ServingRun]] = {}
    capacity: dict[Degrees, int] = {}
    for m in measurements:
        for p in m.prefill:
            prefill.setdefault((p.tp, p.pp), []).append(p)
        for d in m.decode:
            decode.setdefault((d.tp, d.pp), []).append(d)
        for r in m.runs:
            key = r.tp or tp or 1, r.pp or 1
            runs.setdefault(key, []).append(r)
        capacity |= m.kv_capacity_tokens
    from_runs, notes = _fill_from_runs(prefill, decode, runs)
    names = short_names([m.source for m in measurements])
    unsaid = sum(r.tp is None for m in measurements for r in m.runs)
    if unsaid and tp is None:
        runs_do = "1 run does" if unsaid == 1 else f"{unsaid} runs do"
        notes.append(f"{runs_do} not say TP: taken as 1 (--tp says otherwise)")
    return Gathered(
        {k: tuple(v) for k, v in prefill.items()},
        {k: tuple(v) for k, v in decode.items()},
        {k: tuple(v) for k, v in runs.items()},
        capacity,
        frozenset(from_runs),
        _one("model", [m.model for m in measurements], model),
        _one("accelerator", [m.accelerator for m in measurements], accelerator),
        engine or next((m.engine for m in measurements if m.engine), None),
        tuple(names),
        tuple(
            f"{name}: {c.removeprefix(f'{m.source}: ').replace(m.source, name)}"
            for name, m in zip(names, measurements, strict=True)
            for c in m.corrections
        ),
        tuple(notes),
    )


def chosen_runs(measurements: Sequence[Measurements], text: str | None) -> list[Measurements]:
    """Return the measurements with only those runs whose label holds a text; all of them without one.

    Raises
    ------
    InputError
        There are runs, and none is left; the message names some.
    """
    if text is None:
        return list(measurements)
    left = [replace(m, runs=tuple(r for r in m.runs if text in run_name(r))) for m in measurements]
    known = [run_name(r) for m in measurements for r in m.runs]
    if known and not any(m.runs for m in left):
        some = ", ".join(known[:6]) + (f" and {len(known) - 6} more" if len(known) > 6 else "")
        raise InputError(f"--runs {text}: no run is called so; there are {some}")
    return left


def short_names(sources: Sequence[str]) -> list[str]:
    """Return the shortest ends of paths that tell them apart.

    Examples
    --------
    >>> short_names(["/data/a/raw.npz", "/data/b/raw.npz"]), short_names(["/data/a/raw.npz"])
    (['a/raw.npz', 'b/raw.npz'], ['raw.npz'])
    """
    parts = [PurePath(s).parts for s in sources]
    for length in range(1, max((len(p) for p in parts), default=1)):
        short = ["/".join(p[-length:]) for p in parts]
        if len(set(short)) == len(set(sources)):
            return short
    return list(sources)


def _fill_from_runs(
    prefill: dict[Degrees, list[PrefillPoint]],
    decode: dict[Degrees, list[DecodePoint]],
    runs: dict[Degrees, list[ServingRun]],
) -> tuple[set[tuple[str, int, int]], list[str]]:
    """Take step points from runs where no step was timed alone."""
    used: set[tuple[str, int, int]] = set()
    notes: list[str] = []
    for key, served in runs.items():
        if key in prefill and key in decode:
            continue
        points = points_from_runs(served, *key)
        where = f"TP {key[0]}" + (f" PP {key[1]}" if key[1] > 1 else "")
        if key not in prefill and points.prefill:
            prefill[key] = list(points.prefill)
            used.add(("prefill", *key))
            notes += [f"{where}: {n}" for n in points.prefill_notes]
        if key not in decode and points.decode:
            decode[key] = list(points.decode)
            used.add(("decode", *key))
            notes += [f"{where}: {n}" for n in points.decode_notes]
    return used, notes


def _one(what: str, said: list[str | None], given: str | None) -> str | None:
    """Return the one name, or refuse several."""
    if given is not None:
        return given
    names = sorted({s for s in said if s})
    if len(names) > 1:
        raise InputError(
            f"the files speak of {len(names)} {what}s ({', '.join(names)}): fit them apart, or name the one "
            f"that they all are with --{what}"
        )
    return names[0] if names else None
