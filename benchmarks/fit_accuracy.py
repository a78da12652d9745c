"""How well latency fits predict operating points that they have not seen, over published measurements.

Usage: python benchmarks/fit_accuracy.py DIRECTORY [--write]

DIRECTORY holds ``measured_prefill.csv`` and ``measured_decode.csv`` (columns as in roofline_accuracy.py).
Each source, model, GPU and TP is a table of its own and is fitted apart, as `pdplan profile fit` does; each
operating point is predicted by a fit to the others of its table. ``--write`` puts the tables into
docs/validation/fit_accuracy.md between its markers.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from page import put_between

from pdplan.latency.fitting.steps import StepFit, fit_decode, fit_prefill
from pdplan.latency.fitting.validate import ErrorSummary
from pdplan.latency.measured import DecodePoint, PrefillPoint

DOC = Path(__file__).parents[1] / "docs" / "validation" / "fit_accuracy.md"
BEGIN, END = "<!-- begin: benchmarks/fit_accuracy.py -->", "<!-- end -->"


@dataclass(frozen=True, eq=False)
class Table:
    """The fit to one table."""

    source: str
    model: str
    gpu: str
    tp: int
    fit: StepFit

    @property
    def name(self) -> str:
        return f"{self.source} {self.model} {self.gpu} TP {self.tp}"

    @property
    def median(self) -> float:
        assert self.fit.cross_validated is not None
        return self.fit.cross_validated.median


def tables(path: Path, kind: str) -> list[Table]:
    """Fit every table of a file."""
    groups: dict[tuple[str, str, str, int], list[dict[str, str]]] = defaultdict(list)
    with path.open() as file:
        for row in csv.DictReader(file):
            source = re.split("[-:]", row["source"])[0]
            key = source, row["model"].split("/")[-1], row["gpu"], int(row["tp"])
            groups[key].append(row)
    found = []
    for key, rows in groups.items():
        fit = fit_prefill(prefill_points(rows)) if kind == "prefill" else fit_decode(decode_points(rows))
        found.append(Table(*key, fit))
    return found


def prefill_points(rows: Iterable[dict[str, str]]) -> list[PrefillPoint]:
    return [
        PrefillPoint(
            float(r["prompt_tokens"]), float(r["prefill_ms"]) / 1e3, int(r["tp"]), batch=float(r["batch"])
        )
        for r in rows
    ]


def decode_points(rows: Iterable[dict[str, str]]) -> list[DecodePoint]:
    return [
        DecodePoint(float(r["batch"]), float(r["context_tokens"]), float(r["step_ms"]) / 1e3, int(r["tp"]))
        for r in rows
    ]


def together(found: Iterable[Table]) -> ErrorSummary:
    """Errors of left-out points of several tables."""
    return ErrorSummary.of(np.concatenate([t.fit.left_out for t in found]))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Goal:
    """A median error to stay below, and what was found."""

    what: str
    limit: float
    found: float

    @property
    def met(self) -> bool:
        return self.found < self.limit


def goals(prefill: list[Table], decode: list[Table]) -> list[Goal]:
    """What the fits are held to: medians of absolute relative errors at points left out."""
    older = [t for t in decode if t.gpu in ("a100-80gb", "h100-80gb")]
    worst = max(older, key=lambda t: t.median)
    rest = [t for t in decode if t not in older]
    vllm = [t for t in prefill if t.gpu in ("H200-SXM-141GB", "H800-81GB")]
    return [
        Goal("decode, all A100 and H100 tables together", 0.03, together(older).median),
        Goal(f"decode, the worst A100 or H100 table ({worst.name})", 0.06, worst.median),
        *(Goal(f"decode, {t.name}", 0.05, t.median) for t in rest),
        *(Goal(f"prefill, {t.name}", 0.04, t.median) for t in vllm),
    ]


def table(found: list[Table]) -> str:
    head = (
        "table",
        "points",
        "median",
        "p90",
        "largest",
        "median at fitted points",
        "what the points leave open",
    )
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    for t in found:
        cross = t.fit.cross_validated
        assert cross is not None
        notes = "; ".join(n for n in t.fit.notes if not n.startswith("left out"))
        cells = (
            t.name,
            str(cross.points),
            f"{cross.median:.1%}",
            f"{cross.p90:.1%}",
            f"{cross.largest:.1%}",
            f"{t.fit.in_sample.median:.1%}",
            notes or "nothing",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def coefficients(found: list[Table]) -> str:
    lines = [
        "| table | from batch | fixed, ms | per token or sequence, us | quadratic or KV, ns |",
        "|" + " --- |" * 5,
    ]
    for t in found:
        for (a, b, c), start in zip(t.fit.regimes.coefficients, t.fit.regimes.from_batch, strict=True):
            lines.append(f"| {t.name} | {start:g} | {a * 1e3:.2f} | {b * 1e6:.3g} | {c * 1e9:.3g} |")
    return "\n".join(lines)


def report(prefill: list[Table], decode: list[Table]) -> str:
    held = ["| held to | limit | found | |", "| --- | --- | --- | --- |"]
    held += [
        f"| {g.what} | {g.limit:.0%} | {g.found:.1%} | {'met' if g.met else 'missed'} |"
        for g in goals(prefill, decode)
    ]
    return "\n\n".join(
        (
            "### What the fits are held to (median error at points left out)",
            "\n".join(held),
            "### Decode",
            table(decode),
            "### Prefill",
            table(prefill),
            "### Coefficients: decode",
            coefficients(decode),
            "### Coefficients: prefill",
            coefficients(prefill),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    prefill = tables(arguments.directory / "measured_prefill.csv", "prefill")
    decode = tables(arguments.directory / "measured_decode.csv", "decode")
    text = report(prefill, decode)
    print(text)
    if arguments.write:
        put_between(DOC, BEGIN, END, text)


if __name__ == "__main__":
    main()
