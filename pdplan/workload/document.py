"""The workload document of a trace: what `Workload.from_document` reads, as YAML with comments."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from pdplan.workload.described import ArrivalStatistics, LengthStatistics, TraceStatistics
from pdplan.workload.law import Array
from pdplan.workload.prefix import prefix_reuse
from pdplan.workload.statistics import describe_trace
from pdplan.workload.traces import Trace
from pdplan.workload.wording import arrival_sentences

# the extra points near the top hold mean and SCV of the table within 0.2% and 0.6% of the trace's
PERCENTS: Final = (*range(99), 98.5, 99, 99.25, 99.5, 99.7, 99.8, 99.9, 99.95, 99.99, 100)
_COLUMNS: Final = 8
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_NOT_TEXT: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


def quantile_rows(tokens: Array) -> list[tuple[float, float]]:
    """Return (percent, tokens), ends included; Hazen's plotting positions leave the mean unbiased.

    Examples
    --------
    >>> quantile_rows(np.array([10.0, 20.0, 40.0]))[::50][:3]
    [(0, 10.0), (50, 20.0), (99, 40.0)]
    """
    percents = sorted(PERCENTS)
    values = np.rint(np.quantile(tokens, np.array(percents) / 100, method="hazen"))
    values[0], values[-1] = tokens.min(), tokens.max()
    return list(zip(percents, values.tolist(), strict=True))


def workload_yaml(
    name: str,
    trace: Trace,
    measured: TraceStatistics,
    *,
    about: str,
    source: Mapping[str, str],
    aliases: Sequence[str] = (),
    uncached_tokens: Array | None = None,
    with_arrivals: bool = True,
    comment: str = "",
) -> str:
    """Return the document of a trace.

    Parameters
    ----------
    name : str
        Name of the workload.
    trace : Trace
    measured : TraceStatistics
        Its statistics (`describe_trace`).
    about : str
        What it is, in a sentence.
    source : mapping
        Where it is from: ``what`` and, where there is one, ``url``, ``licence``, ``checked``.
    aliases : sequence of str
        Other names.
    uncached_tokens : array, optional
        Prompt tokens left to prefill with a cache without limit [tok], whose law is kept too.
    with_arrivals : bool
        False leaves out how requests arrived, where arrivals were made up.
    comment : str
        First line, without ``#``.
    """
    lines = [
        *([f"# {comment}"] if comment else []),
        f"name: {_scalar(name)}",
        *([f"aliases: [{', '.join(aliases)}]"] if aliases else []),
        "about: >-",
        *textwrap.wrap(about, 108, initial_indent="  ", subsequent_indent="  "),
        f"requests: {measured.requests}",
        *_table("prompt_tokens", trace.prompt_tokens, measured.prompt),
        *_table("output_tokens", trace.output_tokens, measured.output),
        f"length_correlation: {measured.correlation:.4f}  # Pearson, of the token counts",
        f"rank_correlation: {measured.rank_correlation:.4f}  # Spearman",
        *_reuse(measured, uncached_tokens),
    ]
    if with_arrivals and measured.arrivals is not None:
        lines += _arrivals(measured.arrivals)
    first, *rest = source.items()
    lines += ["sources:", f'  - {first[0]}: "{first[1]}"', *(f"    {key}: {value}" for key, value in rest)]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """Return a text as YAML takes it: plain where it is a name, quoted otherwise."""
    plain = _NAME.fullmatch(text) and text.lower() not in _NOT_TEXT
    return text if plain else json.dumps(text)


def _table(key: str, tokens: Array, measured: LengthStatistics) -> list[str]:
    return [
        f"{key}:  # mean {measured.mean:.1f}, SCV {measured.scv:.3f}",
        "  quantiles: {",
        *_rows(tokens),
        "  }",
    ]


def _rows(tokens: Array) -> list[str]:
    rows = [f"{percent:g}: {value:g}" for percent, value in quantile_rows(tokens)]
    return [f"    {', '.join(rows[i : i + _COLUMNS])}," for i in range(0, len(rows), _COLUMNS)]


def _reuse(measured: TraceStatistics, uncached_tokens: Array | None) -> list[str]:
    if measured.prefix_hit is None or measured.uncached is None:
        return []
    moments = f"mean: {measured.uncached.mean:.1f}, scv: {measured.uncached.scv:.3f}"
    lines = [f"prefix_hit: {measured.prefix_hit:.4f}  # share of prompt tokens in a cache without limit"]
    if uncached_tokens is None:
        return [*lines, f"uncached_prompt: {{{moments}}}"]
    return [*lines, f"uncached_prompt: {{{moments}, quantiles: {{", *_rows(uncached_tokens), "  }}"]


def _arrivals(arrivals: ArrivalStatistics) -> list[str]:
    dispersion = ", ".join(f"{w:g}: {x:.2f}" for w, x in arrivals.index_of_dispersion.items())
    quantiles = ", ".join(f"{100 * p:g}: {x:.3f}" for p, x in arrivals.rate_quantiles.items())
    lines = [
        "arrivals:",
        f"  rate_per_s: {arrivals.rate:.4f}",
        f"  span_s: {arrivals.span_s:.1f}",
        f"  window_s: {arrivals.window_s:g}",
        f"  windows: {arrivals.windows}",
        f"  rate_quantiles: {{{quantiles}}}  # percent of windows: rate",
        f"  peak_rate_per_s: {arrivals.peak_rate:.3f}",
        f"  p99_rate_per_s: {arrivals.p99_rate:.3f}",
        f"  index_of_dispersion: {{{dispersion}}}  # window in seconds: Var N / E N of its counts",
        f"  duplicate_share: {arrivals.duplicate_share:.4f}",
    ]
    if arrivals.local_scv is not None:
        lines.append(
            f"  local_scv: {arrivals.local_scv:.3f}  # gaps inside windows, each against its own mean"
        )
    if arrivals.tick_s is not None:
        lines.append(f"  tick_s: {arrivals.tick_s:.4g}  # timestamps spread at random within")
    return lines


def trace_workload(trace: Trace, name: str) -> str:
    """Return the workload document of a trace: statistics, laws, prefix reuse, format and source.

    Examples
    --------
    >>> trace = Trace(np.arange(9.0), np.full(9, 40.0), np.full(9, 5.0), None, None, "plain CSV", "a.csv")
    >>> print(trace_workload(trace, "mine").splitlines()[1])
    name: mine
    """
    measured = describe_trace(trace)
    uncached = None
    if trace.hash_ids is not None and trace.block_tokens is not None:
        uncached = prefix_reuse(trace.hash_ids, trace.prompt_tokens, trace.block_tokens).uncached_tokens
    said = [] if measured.arrivals is None else arrival_sentences(measured.arrivals)
    skipped = sum(s.rows for s in trace.skipped)
    return workload_yaml(
        name,
        trace,
        measured,
        about=" ".join(
            [f"{measured.requests} requests of a trace.", *said, *(f"{note}." for note in trace.notes)]
            + ([f"{skipped} rows could not be read."] if skipped else [])
        ),
        source={"what": f"{trace.format}, {Path(trace.source).name}".replace('"', "'").replace("\\", "/")},
        uncached_tokens=uncached,
        comment="Computed by pdplan workload import from the trace named under sources.",
    )
