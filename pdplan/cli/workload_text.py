"""The text of `pdplan workload describe`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

from pdplan.workload import ArrivalStatistics, LengthStatistics, Trace, TraceStatistics
from pdplan.workload.classes import LEAST_REQUESTS, SuggestedClasses
from pdplan.workload.describe_document import session_counts
from pdplan.workload.wording import arrival_sentences, duration, reuse_sentence, windows_of

_BAR = 30  # characters of the longest bar of the day's profile


def described(trace: Trace, measured: TraceStatistics, columns: int) -> str:
    """Return the whole text, at most ``columns`` wide."""
    lines = [*_wrapped(_title(trace, measured), columns)]
    for note in _notes(trace):
        lines += _wrapped(note, columns, "  ")
    if measured.arrivals is not None:
        lines += ["", "Arrivals", *_arrivals(measured.arrivals, columns)]
    lines += ["", *_lengths(measured), *_wrapped(_correlation(measured), columns, "  ")]
    if measured.reuse:
        lines += ["", "Prefix reuse"]
        for reuse in measured.reuse:
            lines += _wrapped(reuse_sentence(reuse, measured), columns, "  ")
    lines += ["", *_classes(measured.classes, measured, columns)]
    if measured.day_rates is not None:
        lines += ["", *_day(measured.day_rates, trace.start_epoch_s is not None)]
    return "\n".join(lines)


def _title(trace: Trace, measured: TraceStatistics) -> str:
    text = f"{trace.source}: {trace.format}, {measured.requests:,} request{'s' * (measured.requests != 1)}"
    if measured.arrivals is not None:
        text += f" over {duration(measured.arrivals.span_s)}"
    if trace.start_epoch_s is not None:
        text += f" from {datetime.fromtimestamp(trace.start_epoch_s, UTC):%Y-%m-%d %H:%M} UTC"
    return text


def _notes(trace: Trace) -> list[str]:
    notes = [f"Note: {note}." for note in trace.notes]
    for reason, rows, first_line in trace.skipped:
        notes.append(f"Skipped: {rows:,} rows, first in line {first_line}: {reason}.")
    found = session_counts(trace)
    if found is not None:
        notes.append(
            f"Conversations: {found['sessions']:,}, with {found['requests_per_session']:.3g} requests each "
            "on average."
        )
    return notes


def _arrivals(arrivals: ArrivalStatistics, columns: int) -> list[str]:
    lines = []
    for sentence in arrival_sentences(arrivals):
        lines += _wrapped(sentence, columns, "  ")
    lines.append(f"  rate        {arrivals.rate:.4g} req/s on average")
    if arrivals.windows > 1:
        quantiles = ", ".join(f"p{100 * p:g} {rate:.3g}" for p, rate in arrivals.rate_quantiles.items())
        lines += _wrapped(
            f"by window   {quantiles}, busiest {arrivals.peak_rate:.3g} req/s "
            f"({arrivals.windows:,} {windows_of(arrivals.window_s)})",
            columns,
            "  ",
            14,
        )
    if arrivals.index_of_dispersion:
        spread = ", ".join(f"{duration(w)} {x:.3g}" for w, x in arrivals.index_of_dispersion.items())
        lines += _wrapped(
            f"dispersion  {spread} (variance over mean of the counts in windows; 1 is Poisson)",
            columns,
            "  ",
            14,
        )
    if arrivals.windows > 1:
        lines += _wrapped(
            f"In a scenario, rate: {{trace: FILE, plan_for: p99 of {arrivals.window_s:g} s windows}} plans "
            f"for {arrivals.p99_rate:.3g} req/s.",
            columns,
            "  ",
        )
    return lines


def _lengths(measured: TraceStatistics) -> list[str]:
    heads = ("mean", "SCV", "min", "p50", "p90", "p99", "p99.9", "max")
    rows = [("Lengths [tok]", heads), *((n, _cells(s)) for n, s in _named_lengths(measured))]
    widths = [max(len(row[1][k]) for row in rows) for k in range(len(heads))]
    return [
        f"{name:<15}" + "  ".join(cell.rjust(w) for cell, w in zip(cells, widths, strict=True))
        for name, cells in rows
    ]


def _named_lengths(measured: TraceStatistics) -> list[tuple[str, LengthStatistics]]:
    named = [("  prompt", measured.prompt), ("  output", measured.output)]
    for reuse in measured.reuse:
        which = "" if reuse.cache_tokens is None else "*"
        named += [(f"  cached{which}", reuse.cached), (f"  uncached{which}", reuse.uncached)]
    return named


def _cells(s: LengthStatistics) -> tuple[str, ...]:
    return (
        f"{s.mean:,.0f}",
        f"{s.scv:.2f}",
        *(f"{x:,.0f}" for x in (s.least, s.p50, s.p90, s.p99, s.p999, s.most)),
    )


def _correlation(measured: TraceStatistics) -> str:
    text = (
        f"prompt and output correlate by {measured.correlation:.2f} (ranks: {measured.rank_correlation:.2f})"
    )
    return text + ("; * in the cache asked for" if len(measured.reuse) > 1 else "")


def _classes(found: SuggestedClasses | None, measured: TraceStatistics, columns: int) -> list[str]:
    if found is None:
        if measured.requests < LEAST_REQUESTS:
            return ["Classes: too few requests to look for groups of lengths."]
        return ["Classes: the lengths form no groups that stand apart; plan for one class."]
    by = "by clusters of lengths" if found.by == "lengths" else f"by {found.by}"
    wide = max(len(c.name) for c in found.classes) if found.by != "lengths" else 0
    lines = [f"Suggested classes, {by}"]
    lines.append(f"  {'':<{wide}}{'share':>7}  {'prompt':>8} {'SCV':>6}  {'output':>8} {'SCV':>6}")
    for c in found.classes:
        name = c.name if wide else ""
        lines.append(
            f"  {name:<{wide}}{c.share:>7.1%}  {c.prompt_mean:>8,.0f} {c.prompt_scv:>6.2f}  "
            f"{c.output_mean:>8,.0f} {c.output_scv:>6.2f}"
        )
    return lines + _wrapped(
        f"Gained: objectives of their own; known the class, lengths vary less: prompt SCV "
        f"{found.prompt_scv_within:.2f} instead of {measured.prompt.scv:.2f}, output "
        f"{found.output_scv_within:.2f} instead of {measured.output.scv:.2f}.",
        columns,
        "  ",
    )


def _day(rates: Sequence[float], is_utc: bool) -> list[str]:
    top = max(rates)
    lines = [f"Rate by hour of the day ({'UTC' if is_utc else 'from the start of the trace'}) [req/s]"]
    for hour, rate in enumerate(rates):
        bar = "#" * round(_BAR * rate / top) if top > 0 else ""
        lines.append(f"  {hour:02d}  {rate:>8.3g}  {bar}".rstrip())
    return lines


def _wrapped(text: str, columns: int, indent: str = "", hang: int | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        columns,
        initial_indent=indent,
        subsequent_indent=indent if hang is None else " " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
