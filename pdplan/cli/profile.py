"""`pdplan profile fit`, `show`, `compare`, `check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pdplan.cli.output import print_json, width
from pdplan.cli.profile_file import target_path, write_profile
from pdplan.cli.profile_input import gathered_from, load_named
from pdplan.cli.profile_tables import check_text, compare_text, show_text
from pdplan.cli.profile_text import fit_text
from pdplan.errors import EXIT_NO, InputError
from pdplan.latency.fitting.check import check_profile
from pdplan.latency.fitting.collect import Gathered
from pdplan.latency.fitting.compare import places
from pdplan.latency.fitting.profile_fit import Calibrated, ProfileFit, calibrated_document, fit_profile
from pdplan.latency.profile import LatencyProfile
from pdplan.spec.catalog import catalog_path

if TYPE_CHECKING:
    from pdplan.planner.calibrate import Calibration


def fit(
    files: Sequence[str],
    *,
    output: str | None,
    name: str | None,
    named: Mapping[str, str | None],
    dtypes: tuple[str, str],
    tp: int | None,
    select: Sequence[str],
    runs: str | None,
    fleet: str | None,
    steps_from: str | None,
    chunk_tokens: int,
    as_json: bool,
) -> None:
    """Fit (or calibrate the steps of a profile), write what was asked for, and report."""
    target = target_path(output)
    gathered = gathered_from(files, select=select, runs=runs, fleet=fleet, tp=tp, named=named)
    called = name or (target.stem if target else "fitted")
    found: ProfileFit | None = None
    calibration: Calibration | None
    document: dict[str, Any] | None = None
    if steps_from is not None:
        document, calibration = _calibrated(gathered, steps_from, name, chunk_tokens)
    else:
        found = fit_profile(gathered)
        calibration = _from_runs(found, chunk_tokens)
        in_system = any(kind == "decode" for kind, *_ in gathered.from_runs)
        how = "decode steps that were measured in a running system" if in_system else _runs_of(gathered)
        if found.complete or target is not None:
            document = found.profile_document(
                called, weights_dtype=dtypes[0], kv_dtype=dtypes[1], calibrated=_kept(calibration, how)
            )
    if target is not None and document is not None:
        write_profile(target, document)
    if as_json:
        print_json(_document(gathered, found, calibration, document))
    else:
        print(fit_text(gathered, found, calibration, document, output, width()))


def show(name: str, *, as_json: bool) -> None:
    """Print a profile."""
    profile = load_named(name)
    rows = places(profile)
    if as_json:
        steps = [row.document((profile.name,)) for row in rows]
        print_json({"schema": "pdplan.profile.show/1", "profile": _about(profile), "steps": steps})
    else:
        print(show_text(profile, rows, width()))


def compare(first: str, second: str, *, as_json: bool) -> None:
    """Print two profiles side by side."""
    a, b = load_named(first), load_named(second)
    rows = places(a, b)
    if as_json:
        steps = [row.document(("a", "b")) for row in rows]
        document = {"schema": "pdplan.profile.compare/1", "a": _about(a), "b": _about(b), "steps": steps}
        print_json(document)
    else:
        print(compare_text(a, b, rows, width()))


def check(
    name: str,
    files: Sequence[str],
    *,
    limit: float | None,
    tp: int | None,
    select: Sequence[str],
    runs: str | None,
    as_json: bool,
) -> None:
    """Print the errors of a profile; exit with 1 if a median is above the limit."""
    profile = load_named(name)
    gathered = gathered_from(
        files,
        select=select,
        runs=runs,
        fleet=None,
        tp=tp,
        named={"model": profile.model_name, "accelerator": profile.accelerator},
    )
    found = check_profile(profile, gathered)
    if not found.rows:
        raise InputError(
            f"nothing to compare: {profile.name} has {_degrees(profile.degrees)}, the files measured "
            f"{_degrees(found.missing) or 'no step'}"
        )
    exceeded = [r for r in found.rows if limit is not None and r.errors.median > limit]
    if as_json:
        document: dict[str, Any] = {
            "schema": "pdplan.profile.check/1",
            "profile": _about(profile),
            "files": list(gathered.files),
            "rows": [r.document() for r in found.rows],
            "overall": {kind: e.document() for kind, e in found.overall.items()},
            "not_in_profile": [{"tp": t, "pp": p} for t, p in found.missing],
            "limit": limit,
            "within_limit": None if limit is None else not exceeded,
            "corrections": list(gathered.corrections),
        }
        print_json(document)
    else:
        print(check_text(profile, gathered, found, limit, width()))
    if exceeded:
        raise typer.Exit(EXIT_NO)


def _from_runs(found: ProfileFit, chunk_tokens: int) -> Calibration | None:
    """Calibrate a fresh fit with the runs at the same (tp, pp), if there are any."""
    g = found.gathered
    runs = [(key, run) for key in found.complete for run in g.runs.get(key, ())]
    if not runs:
        return None
    from pdplan.planner.calibrate import calibrate

    return calibrate(
        runs,
        found.model,
        chunk_tokens=chunk_tokens,
        in_steps=any(("decode", *key) in g.from_runs for key, _ in runs),
        in_prefill=any(("prefill", *key) in g.from_runs for key, _ in runs),
    )


def _calibrated(
    gathered: Gathered, steps_from: str, name: str | None, chunk_tokens: int
) -> tuple[dict[str, Any], Calibration]:
    """Calibrate the steps of a profile that is there."""
    import yaml

    from pdplan.planner.calibrate import calibrate

    profile = load_named(steps_from)
    runs = [(key, run) for key, rs in sorted(gathered.runs.items()) for run in rs]
    missing = sorted({key for key, _ in runs} - set(profile.degrees))
    if missing or not runs:
        what = f"runs at {_degrees(missing)}, which {profile.name} does not have" if missing else "no run"
        raise InputError(
            f"{', '.join(gathered.files)}: {what}: it was measured at {_degrees(profile.degrees)}"
        )
    calibration = calibrate(runs, profile.model, chunk_tokens=chunk_tokens)
    path = Path(steps_from)
    path = path if path.suffix in (".yaml", ".yml") else catalog_path("latency", steps_from)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return calibrated_document(document, name, _kept(calibration, _runs_of(gathered))), calibration


def _kept(calibration: Calibration | None, how: str) -> Calibrated | None:
    """Return what of a calibration goes into a profile."""
    if calibration is None:
        return None
    return Calibrated(
        calibration.step_factor,
        calibration.ttft_overhead_s or 0.0,
        calibration.ttft_overhead_per_token_s or 0.0,
        how,
    )


def _runs_of(gathered: Gathered) -> str:
    count = sum(len(runs) for runs in gathered.runs.values())
    return f"{count} end-to-end run{'s' if count != 1 else ''} of {', '.join(gathered.files)}"


def _document(
    gathered: Gathered,
    found: ProfileFit | None,
    calibration: Calibration | None,
    profile: dict[str, Any] | None,
) -> dict[str, Any]:
    variants = []
    for key in found.degrees if found is not None else ():
        assert found is not None
        entry: dict[str, Any] = {"tp": key[0], "pp": key[1]}
        for kind, fits in (("prefill", found.prefill), ("decode", found.decode)):
            entry[kind] = fits[key].document() if key in fits else None
        variants.append(entry)
    return {
        "schema": "pdplan.profile.fit/1",
        "files": list(gathered.files),
        "fits": variants,
        "speedups": [] if found is None else [s.document() for s in found.speedups],
        "calibration": None if calibration is None else calibration.document(),
        "notes": list(gathered.notes),
        "corrections": list(gathered.corrections),
        "profile": profile,
    }


def _about(profile: LatencyProfile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "model": profile.model_name,
        "accelerator": profile.accelerator,
        "engine": profile.engine,
        "source": profile.source,
        "step_factor": profile.step_factor,
    }


def _degrees(keys: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"TP {t}" + (f" PP {p}" if p > 1 else "") for t, p in keys)
