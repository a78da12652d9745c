"""What `pdplan profile` says to people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import shorten, wrap
from typing import TYPE_CHECKING, Any

from pdplan.latency.fitting.collect import Gathered
from pdplan.latency.fitting.identify import rounded
from pdplan.latency.fitting.profile_fit import ProfileFit
from pdplan.latency.fitting.speedup import Speedup
from pdplan.latency.fitting.steps import StepFit
from pdplan.latency.fitting.terms import NAMES

if TYPE_CHECKING:
    from pdplan.planner.calibrate import Calibration

_TIMES = {
    "fixed": "",
    "per_token": " x n",
    "per_token_sq": " x n^2",
    "per_sequence": " x batch",
    "per_context_token": " x sum of contexts",
}


def fit_text(
    gathered: Gathered,
    found: ProfileFit | None,
    calibration: Calibration | None,
    document: dict[str, Any] | None,
    output: str | None,
    width: int,
) -> str:
    """Return the report of a fit."""
    what = (
        " on ".join(x for x in (gathered.model, gathered.accelerator) if x)
        or "model and accelerator not said"
    )
    lines = [f"Fit of {what}" + (f", {gathered.engine}" if gathered.engine else "")]
    lines += wrapped(f"from {', '.join(gathered.files)}", width, "  ")
    if found is not None:
        for key in found.degrees:
            lines += ["", degree(*key)]
            for fits in (found.prefill, found.decode):
                if key in fits:
                    lines += _fit_lines(fits[key], width)
        lines += _speedup_lines(found.speedups)
    if calibration is not None:
        lines += ["", *_calibration_lines(calibration, width)]
    lines += listed("Notes", gathered.notes, width)
    lines += listed("What the readers converted or left out", gathered.corrections, width)
    lines += ["", *wrapped(_closing(found, document, output), width, "")]
    return "\n".join(lines)


def time_s(seconds: float) -> str:
    """Write a time with three figures and a fitting unit.

    Examples
    --------
    >>> time_s(0.0182), time_s(3.73e-5), time_s(4.86e-10), time_s(0.0)
    ('18.2 ms', '37.3 us', '0.486 ns', '0')
    """
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"), (1e-12, "ps")):
        if seconds >= scale or (unit == "ns" and seconds >= 1e-10):
            return f"{seconds / scale:.3g} {unit}"
    return "0" if seconds == 0 else f"{seconds:.3g} s"


def _fit_lines(fit: StepFit, width: int) -> list[str]:
    ranges = fit.ranges
    if fit.kind == "prefill":
        where = f"prompts {span(*ranges['prompt_tokens'])} tokens"
    else:
        where = f"batch {span(*ranges['batch'])}"
        if "context_tokens" in ranges:
            where += f", contexts {span(*ranges['context_tokens'])} tokens, together to "
            where += f"{ranges['sum_of_contexts'][1]:,.0f}"
        else:
            where += ", contexts not said"
    repeats = int(fit.steps.repeats.sum())
    times = f" ({repeats:,} measurements)" if repeats > len(fit.steps) else ""
    points = "1 operating point" if len(fit.steps) == 1 else f"{len(fit.steps)} operating points"
    lines = [f"  {fit.kind}: {points}{times}"]
    lines += wrapped(where, width, "    ")
    for coefficients, start in zip(fit.regimes.coefficients, fit.regimes.from_batch, strict=True):
        parts = [
            time_s(float(c)) + _TIMES[n] for n, c in zip(NAMES[fit.kind], coefficients, strict=True) if c > 0
        ]
        begin = f"from batch {start:g}: " if len(fit.regimes.from_batch) > 1 else ""
        lines += wrapped(f"{begin}{' + '.join(parts) or '0'}", width, "    ")
    cross = fit.cross_validated
    if cross is not None:
        own = f"(at the fitted points: median {100 * fit.in_sample.median:.1f}%)"
        told = f"error at points left out: {cross} {own}"
        lines += wrapped(told, width, "    ")
    return lines + [x for note in fit.notes for x in wrapped(f"- {note}", width, "    ")]


def _speedup_lines(found: Sequence[Speedup]) -> list[str]:
    if not found:
        return []
    lines = ["", "Speed-up K between TP degrees (time at the lower over time at the higher)"]
    for s in found:
        at = ", ".join(f"{k.replace('_', ' ')} {v:,.0f}" for k, v in s.at.items())
        pp = f" PP {s.pp}" if s.pp > 1 else ""
        lines.append(f"  {s.kind:8s}TP {s.low} -> {s.high}{pp:6s} {s.ratio:5.2f}  at {at}")
    return lines


def _calibration_lines(found: Calibration, width: int) -> list[str]:
    lines = ["Against the end-to-end runs"]
    if found.step_factor is not None:
        runs = "" if found.span is None else f" (runs: {found.span[0]:.3f} to {found.span[1]:.3f})"
        lines.append(f"  step factor {found.step_factor:.3f}{runs}: a step in the system takes step / factor")
    if found.ttft_overhead_s is not None:
        per = (
            f" + {time_s(found.ttft_overhead_per_token_s)} x prompt"
            if found.ttft_overhead_per_token_s
            else ""
        )
        lines.append(f"  TTFT overhead {time_s(found.ttft_overhead_s)}{per}")
    if found.rows:
        lines.append(f"  {'run':26s}{'TPOT':>9s}{'model':>9s}{'TTFT':>10s}{'model':>9s}  factor")
    for r in found.rows:
        tpot = f"{time_s(r.tpot_measured_s):>9s}{or_none(r.tpot_s):>9s}"
        ttft = f"{or_none(r.ttft_measured_s):>10s}{or_none(r.ttft_s):>9s}"
        lines.append(f"  {shorten(r.label, 25, placeholder='...'):26s}{tpot}{ttft}{r.step_factor:8.3f}")
    return lines + [x for note in found.notes for x in wrapped(f"- {note}", width, "  ")]


def _closing(found: ProfileFit | None, document: dict[str, Any] | None, output: str | None) -> str:
    if output is not None:
        half = [] if found is None else [k for k in found.degrees if k not in found.complete]
        left = f"; left out, lacking prefill or decode: {', '.join(degree(*k) for k in half)}" if half else ""
        return f"Profile written to {output}: name it in a scenario as latency: {output}{left}"
    if document is None:
        return "No profile: one needs prefill and decode steps at the same TP. Add the file with the others."
    return "Nothing was written: add -o profile.yaml."


def span(low: float, high: float) -> str:
    """Write a range, one number where both ends are the same."""
    return rounded(low) if low == high else f"{rounded(low)} to {rounded(high)}"


def degree(tp: int, pp: int) -> str:
    """Write a (tp, pp)."""
    return f"TP {tp}" + (f" PP {pp}" if pp > 1 else "")


def or_none(seconds: float | None) -> str:
    """Write a time, or a dash."""
    return "-" if seconds is None else time_s(seconds)


def listed(title: str, items: Iterable[str], width: int) -> list[str]:
    """Return a titled list, nothing without items."""
    lines = [x for item in items for x in wrapped(f"- {item}", width, "  ")]
    return ["", title, *lines] if lines else []


def wrapped(text: str, width: int, indent: str) -> list[str]:
    """Wrap one paragraph."""
    rest = indent + ("  " if text.startswith("- ") else "")
    return wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
