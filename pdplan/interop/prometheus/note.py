"""An observation as text."""

from __future__ import annotations

import textwrap

from pdplan import units
from pdplan.interop.prometheus.bucket_law import BucketLaw
from pdplan.interop.prometheus.observation import Observation

_TITLES = {"ttft": "TTFT", "tpot": "TPOT", "itl": "ITL", "e2e": "end to end"}
_ENGINES = {"vllm": "vLLM", "sglang": "SGLang"}
_SHOWN = (0.5, 0.9, 0.99)
_NARROW = (0.5, 0.99)


def observation_note(seen: Observation, *, width: int) -> str:
    """Return the text of an observation."""
    a = seen.arrivals
    series = f"{seen.targets} target{'s' if seen.targets != 1 else ''}"
    head = (
        f"{_ENGINES[seen.engine]} as seen by {seen.source}: {seen.requests:,.0f} requests in "
        f"{units.show(seen.span_s, 'time')}, {series}, a sample every {units.show(seen.scrape_s, 'time')}"
    )
    lines = [*textwrap.wrap(head, width), ""]
    rate = (
        f"Rate: {units.show(a.rate, 'rate')} on average, {units.show(a.peak_rate, 'rate')} in the busiest "
        f"{units.show(a.window_s, 'time')}, at most {units.show(a.p99_rate, 'rate')} in 99% of such windows."
    )
    lines += textwrap.wrap(rate, width)
    if a.index_of_dispersion:
        spread = ", ".join(
            f"{x:.2g} in {units.show(w, 'time')}" for w, x in sorted(a.index_of_dispersion.items())
        )
        lines += textwrap.wrap(
            f"Variance over mean of the requests in a window (1 for Poisson arrivals): {spread}.", width
        )
    if seen.prefix_hit is not None:
        lines += textwrap.wrap(f"Prefix cache: {seen.prefix_hit:.1%} of the prompt tokens were in it.", width)
    lines += ["", *_table(seen, _SHOWN if width >= 96 else _NARROW), ""]
    lines += textwrap.wrap(
        "A histogram knows its mean exactly and a percentile only to within a bucket: the edges are in "
        "brackets, the number before them is an estimate.",
        width,
    )
    for note in seen.notes:
        lines += textwrap.wrap(f"note: {note}", width, subsequent_indent="  ")
    return "\n".join(lines)


def _table(seen: Observation, shown: tuple[float, ...]) -> list[str]:
    rows = [("", "mean", *(f"p{100 * p:g}" for p in shown))]
    rows += [
        _row("prompt tokens", seen.prompt, "tokens", shown),
        _row("output tokens", seen.output, "tokens", shown),
    ]
    rows += [_row(_TITLES[m], law, "time", shown) for m, law in seen.latencies.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(title: str, law: BucketLaw, dimension: str, shown: tuple[float, ...]) -> tuple[str, ...]:
    cells = []
    for p in shown:
        low, high = law.bracket(p)
        between = f"over {_show(low, dimension)}" if high is None else _between(low, high, dimension)
        value = _show(law.quantile(p), dimension)
        cells.append(value if low == high else f"{value} ({between})")
    return (title, _show(law.mean, dimension), *cells)


def _between(low: float, high: float, dimension: str) -> str:
    """Return ``10-25 ms``: the unit once where both share it."""
    first, last = _show(low, dimension), _show(high, dimension)
    number, _, unit = first.partition(" ")
    return f"{number}-{last}" if (last.endswith(f" {unit}") or low == 0) else f"{first}-{last}"


def _show(value: float, dimension: str) -> str:
    if dimension == "tokens":
        return f"{value:.0f}"
    return "0 s" if value == 0 else units.show(value, "time")
