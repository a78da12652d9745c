"""Tables of `pdplan profile show`, `compare` and `check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pdplan.cli.profile_text import degree, listed, span, time_s, wrapped
from pdplan.latency.fitting.check import Check
from pdplan.latency.fitting.collect import Gathered
from pdplan.latency.fitting.compare import Place
from pdplan.latency.fitting.validate import ErrorSummary
from pdplan.latency.profile import LatencyProfile


def show_text(profile: LatencyProfile, rows: Sequence[Place], width: int) -> str:
    """Return a profile for people."""
    lines = [profile.name, *wrapped(profile.source, width, "  ")]
    lines += [
        f"  model {profile.model_name}, accelerator {profile.accelerator}",
        *wrapped(
            f"engine {profile.engine}; weights {profile.weights_dtype}, KV {profile.kv_dtype}", width, "  "
        ),
    ]
    if profile.step_factor is not None:
        lines += wrapped(
            f"step factor in a running system {profile.step_factor:g}, from {profile.calibrated}", width, "  "
        )
    for key in profile.degrees:
        model = profile.model(*key)
        low, high = model.prefill_range
        first, last = model.decode_range
        capacity = profile.kv_capacity_tokens(*key)
        lines += ["", degree(*key)]
        lines.append(f"  prompts {span(low, high)} tokens, batch {span(first, last)}" + _contexts(model))
        if capacity is not None:
            lines.append(f"  KV capacity {capacity:,} tokens")
        overhead = getattr(model, "ttft_overhead_s", 0.0)
        per_token = getattr(model, "ttft_overhead_per_token_s", 0.0)
        if overhead or per_token:
            lines.append(f"  a request waits {time_s(overhead)} + {time_s(per_token)} x prompt besides")
        if profile.fit_errors.get(key):
            lines += wrapped(f"error of the fit: {profile.fit_errors[key]}", width, "  ")
        lines += [x for n in profile.identifiability.get(key, ()) for x in wrapped(f"- {n}", width, "  ")]
        lines += _step_lines([r for r in rows if (r.tp, r.pp) == key], ("",))
    lines += listed("Notes", profile.notes, width)
    return "\n".join(lines)


def compare_text(a: LatencyProfile, b: LatencyProfile, rows: Sequence[Place], width: int) -> str:
    """Return two profiles side by side."""
    lines = [*wrapped(f"A: {a.name} ({a.model_name} on {a.accelerator})", width, "")]
    lines += wrapped(f"B: {b.name} ({b.model_name} on {b.accelerator})", width, "")
    for key in sorted({(r.tp, r.pp) for r in rows}):
        lines += ["", degree(*key), *_step_lines([r for r in rows if (r.tp, r.pp) == key], ("A", "B"))]
    only = [(p, d) for p, q in ((a, b), (b, a)) for d in p.degrees if d not in q.degrees]
    lines += [""] * bool(only) + [f"{degree(*d)} is in {p.name} only" for p, d in only]
    return "\n".join(lines)


def check_text(
    profile: LatencyProfile, gathered: Gathered, found: Check, limit: float | None, width: int
) -> str:
    """Return the error table of a check."""
    lines = wrapped(f"{profile.name} against {', '.join(gathered.files)}", width, "")
    lines += ["", "                   points   median      p90  largest     bias"]
    for r in found.rows:
        e = r.errors
        over = "  above the limit" if limit is not None and e.median > limit else ""
        lines.append(f"{_errors(r.kind, degree(r.tp, r.pp), e)} {100 * r.bias:+7.1f}%{over}")
        if r.outside:
            lines.append(f"        {r.outside} of them outside the range that the profile was made for")
        if r.from_runs:
            lines.append("        taken from end-to-end runs: front end and in-system slowness are in them")
    if len(found.rows) > len(found.overall):
        for kind, e in found.overall.items():
            lines.append(_errors(kind, "all", e))
    lines += [
        "",
        "Errors: |predicted/measured - 1| over operating points; bias: median, with sign.",
    ]
    lines += [f"{degree(*k)} was measured and is not in the profile" for k in found.missing]
    if limit is not None:
        bad = sum(r.errors.median > limit for r in found.rows)
        verdict = "every median is within" if not bad else f"{bad} of {len(found.rows)} medians are above"
        lines.append(f"Limit {100 * limit:g}%: {verdict} it.")
    lines += listed("Notes", gathered.notes, width)
    return "\n".join(lines)


def _step_lines(rows: Sequence[Place], names: tuple[str, ...]) -> list[str]:
    lines = []
    for r in rows:
        at = ", ".join(f"{k.replace('_', ' ').replace(' tokens', '')} {v:,.0f}" for k, v in r.at.items())
        times = "  ".join(
            f"{n} {time_s(s):>8s}".strip().rjust(10 if n == "" else 11)
            for n, s in zip(names, r.seconds, strict=True)
        )
        ratio = f"  B/A {r.ratio:5.2f}" if len(names) > 1 else ""
        lines.append(f"  {r.kind:8s}{at:34s}{times}{ratio}")
    return lines


def _contexts(model: Any) -> str:
    measured = getattr(model, "context_range", None)
    return "" if measured is None else f", contexts {span(*measured)} tokens"


def _errors(kind: str, where: str, e: ErrorSummary) -> str:
    return f"{kind:8s}{where:10s} {e.points:6d} {_pc(e.median)} {_pc(e.p90)} {_pc(e.largest)}"


def _pc(share: float) -> str:
    return f"{100 * share:7.1f}%"
