"""Files that people upload: traces become a rate and laws of lengths, benchmarks become a latency profile."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from pdplan.errors import InputError
from pdplan.planner.trace_rate import traced_rate
from pdplan.spec.trace_rate import TraceRate
from pdplan.web.command import run_command
from pdplan.workload import Trace, read_trace
from pdplan.workload.document import quantile_rows

_PLANS: Final = ("p99 of 60 s windows", "p99 of 10 s windows", "mean")


def read_uploaded_trace(path: str, name: str) -> dict[str, Any]:
    """Return what a trace says of a class: fields of the scenario, and a sentence about them.

    Raises
    ------
    InputError
        Not a trace of any known format, or one without a rate.
    """
    trace = read_trace(path)
    found = _rate(trace, name)
    fields: dict[str, Any] = {
        "rate": f"{found[0]:.6g} req/s",
        "prompt_tokens": {"quantiles": _table(trace.prompt_tokens)},
        "output_tokens": {"quantiles": _table(trace.output_tokens)},
    }
    correlation = _correlation(trace)
    if correlation:
        fields["length_correlation"] = correlation
    return {"fields": fields, "words": f"{name}: {len(trace):,} requests ({trace.format}); {found[1]}"}


def _rate(trace: Trace, name: str) -> tuple[float, str]:
    """Rate to plan for [1/s] and what it is; short traces have no windows, their mean stands in."""
    for plan_for in _PLANS:
        try:
            found = traced_rate(TraceRate(trace=name, plan_for=plan_for), trace)
        except InputError as error:
            last = error
            continue
        return found.rate, str(found)
    raise last


def _table(tokens: np.ndarray) -> dict[str, float]:
    """Quantiles of lengths, thinned to what a law needs."""
    rows = quantile_rows(np.asarray(tokens, dtype=float))
    kept = [r for r in rows if r[0] % 5 == 0 or r[0] > 95]
    return {f"{percent:g}": max(1.0, value) for percent, value in kept}


def _correlation(trace: Trace) -> float:
    prompt, output = (np.asarray(x, dtype=float) for x in (trace.prompt_tokens, trace.output_tokens))
    if prompt.std() == 0 or output.std() == 0:
        return 0.0
    return round(float(np.corrcoef(prompt, output)[0, 1]), 3)


def read_uploaded_benchmark(
    path: str, name: str, model: str, accelerator: str, folder: str
) -> dict[str, Any]:
    """Fit a latency profile to a benchmark file, keep it in the folder, and return its name.

    Raises
    ------
    TaskError
        Not a file of a known benchmark tool, or too few steps in it to fit.
    """
    stem = re.sub(r"[^a-z0-9]+", "-", Path(name).stem.lower()).strip("-")[:40] or "benchmark"
    fitted = Path(path).with_name("profile.yaml")
    arguments = ("-o", str(fitted), "--name", stem, "--model", model, "--accelerator", accelerator)
    run_command("profile", "fit", path, *arguments)
    text = fitted.read_text(encoding="utf-8").replace(path, name)
    stored = f"{stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml"
    (Path(folder) / stored).write_text(text, encoding="utf-8")
    return {"latency": stored, "words": f"{name}: step times fitted; the plan uses them now"}
