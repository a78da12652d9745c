"""Tables with bars: loads of the stations, parts of TTFT; and the map of verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

_CELLS: Final = {
    "split": ("S", "split"),
    "colocated": ("C", "keep colocated"),
    "undetermined": ("?", "open until simulated"),
    "neither": ("–", "neither fleet meets the objectives"),
}
_LEGEND: Final = (
    '<p class="legend"><span class="cell split">S</span> split <span class="cell colocated">C</span> keep '
    'colocated <span class="cell undetermined">?</span> open until simulated '
    '<span class="cell neither">–</span> neither will do; the framed cell is the scenario; by formulas</p>'
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: a share of the full width, and the limit's place on it."""

    name: str
    value: str
    share: float
    limit: float | None = None
    missed: bool = False


def bar_table(caption: str, rows: Sequence[Bar]) -> str:
    """Return rows of name, bar and value."""
    body = "".join(_bar_row(row) for row in rows)
    return f'<table class="bars"><caption>{escape(caption)}</caption><tbody>{body}</tbody></table>'


def _bar_row(row: Bar) -> str:
    width = 100.0 * min(max(row.share, 0.0), 1.0)
    tick = "" if row.limit is None else f'<b style="left:{100 * min(row.limit, 1.0):.4g}%"></b>'
    kind = ' class="missed"' if row.missed else ""
    return (
        f'<tr{kind}><th scope="row">{escape(row.name)}</th>'
        f'<td class="track" aria-hidden="true"><span><i style="width:{width:.4g}%"></i>{tick}</span></td>'
        f"<td>{escape(row.value)}</td></tr>"
    )


def verdict_table(drawn: dict[str, Any]) -> str:
    """Return the map of `pdplan.web.deep.verdict_map`, as far as it is known."""
    lengths, rates, states = drawn["prompt_tokens"], drawn["bytes_per_s"], drawn["states"]
    head = "".join(f'<th scope="col">{_tokens(n)}</th>' for n in lengths)
    rows = []
    for j in reversed(range(len(rates))):
        cells = "".join(
            _cell(None if column is None else column[j], here=(i, j) == tuple(drawn["here"]))
            for i, column in enumerate(states)
        )
        rows.append(f'<tr><th scope="row">{_bits(rates[j])}</th>{cells}</tr>')
    caption = f"{escape(drawn['class'])}: mean prompt tokens across, bandwidth of a port down"
    return (
        f'<table class="map"><caption>{caption}</caption><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>{_LEGEND}"
    )


def _cell(state: str | None, *, here: bool) -> str:
    mark = " here" if here else ""
    if state is None:
        return f'<td class="cell waiting{mark}"><span class="unseen">not known yet</span></td>'
    letter, words = _CELLS[state]
    return (
        f'<td class="cell {state}{mark}" title="{words}"><span aria-hidden="true">{letter}</span>'
        f'<span class="unseen">{words}</span></td>'
    )


def _tokens(n: float) -> str:
    return f"{n:.3g}" if n < 1000 else f"{n / 1000:.3g}k"


def _bits(bytes_per_s: float) -> str:
    gigabits = 8.0 * bytes_per_s / 1e9
    return f"{gigabits:.3g} Gb/s" if gigabits < 1000 else f"{gigabits / 1000:.3g} Tb/s"
