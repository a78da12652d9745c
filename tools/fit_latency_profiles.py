"""Fit prefill a + b n + c n^2 and decode a + b B + c (sum of contexts) to measured step times.

Usage: python tools/fit_latency_profiles.py DIRECTORY

DIRECTORY holds measured_prefill.csv and measured_decode.csv (columns as in benchmarks/roofline_accuracy.py).
Prints, for each model, GPU and TP, the coefficients in ms that models/latency/*.yaml carry and the relative
errors of the fit. Coefficients are non-negative and minimise the sum of squared relative errors, so that
short and long steps weigh the same. Prefill rows with several prompts are left out: they did not run as one
batch.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.optimize import nnls


def read(path: Path) -> dict[tuple[str, str, int], list[dict[str, str]]]:
    rows: dict[tuple[str, str, int], list[dict[str, str]]] = defaultdict(list)
    with path.open() as file:
        for row in csv.DictReader(file):
            rows[row["model"], row["gpu"], int(row["tp"])].append(row)
    return rows


def relative_fit(design: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return non-negative coefficients and the relative errors they leave."""
    coefficients, _ = nnls(design / measured[:, None], np.ones(len(measured)))
    return coefficients, design @ coefficients / measured - 1


def show(label: str, coefficients: np.ndarray, errors: np.ndarray) -> None:
    numbers = ", ".join(f"{c:.6g}" for c in coefficients)
    size = np.abs(errors)
    print(
        f"  {label}: [{numbers}]  rows {len(errors)}, median {np.median(size):.1%}, largest {size.max():.1%}"
    )


def main() -> None:
    directory = Path(sys.argv[1])
    prefill, decode = read(directory / "measured_prefill.csv"), read(directory / "measured_decode.csv")
    for key in prefill:
        print(*key)
        rows = [r for r in prefill[key] if float(r["batch"]) == 1]
        tokens = np.array([float(r["prompt_tokens"]) for r in rows])
        measured = np.array([float(r["prefill_ms"]) for r in rows])
        show("prefill", *relative_fit(np.stack([np.ones_like(tokens), tokens, tokens**2], 1), measured))
        print(f"    tokens {tokens.min():.0f}..{tokens.max():.0f}")
        rows = decode.get(key, [])
        if not rows:
            continue
        batch = np.array([float(r["batch"]) for r in rows])
        context = batch * np.array([float(r["context_tokens"]) for r in rows])
        measured = np.array([float(r["step_ms"]) for r in rows])
        show("decode", *relative_fit(np.stack([np.ones_like(batch), batch, context], 1), measured))
        print(f"    batch {batch.min():.0f}..{batch.max():.0f}, sum of contexts to {context.max():.0f}")


if __name__ == "__main__":
    main()
