"""Pieces that every text for people is made of: wrapped lines, columns, times, counts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pdplan import units


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Wrap a paragraph; lines after the first are set in by two."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(rows: Sequence[tuple[str, ...]], *, right: tuple[int, ...] = (), indent: str = "  ") -> list[str]:
    """Lay rows out in columns; those in ``right`` are set to the right."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return [
        (
            indent
            + "  ".join(
                cell.rjust(w) if i in right else cell.ljust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        ).rstrip()
        for row in rows
    ]


def time_text(seconds: float) -> str:
    """E.g. ``1.31 s``."""
    return units.show(seconds, "time")


def usd_text(value: float) -> str:
    """Price of a million tokens [USD], with cents or finer."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def gpus_text(n: int) -> str:
    """E.g. ``8 GPUs``."""
    return f"{n} GPU" if n == 1 else f"{n} GPUs"
