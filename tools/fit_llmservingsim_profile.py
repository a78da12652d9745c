"""Fit step times of Llama-3.1-8B on RTX PRO 6000 to LLMServingSim's per-layer tables.

Usage: python tools/fit_llmservingsim_profile.py DIRECTORY

DIRECTORY holds tp1_dense.csv, tp1_per_sequence.csv, tp1_attention.csv and the same of tp2, in microseconds:
profiler/perf/RTXPRO6000/meta-llama/Llama-3.1-8B of https://github.com/casys-kaist/LLMServingSim.
A step is summed as that simulator sums it: embedding, then 32 times (layer norm, QKV, rotary embedding,
attention, output projection, layer norm, gate and up, activation, down), then the final norm, the output head
and the sampler once for each sequence that yields a token. With TP 2 an all-reduce follows the embedding,
the output projection and the down projection.

Prints the coefficients in ms of models/latency/llmservingsim-llama-3.1-8b-rtxpro6000.yaml; they are not
negative and minimise the sum of squared relative errors. Steps of fewer than 128 prompt tokens are left out:
they take as long as the weights take to read, and a straight line through them would cost long prompts 15%.
Then prints how far the two fits together are from the tables' mixed steps, and a fit to those alone, which
benchmarks/llmservingsim_replay.py uses to tell the error of the step times from that of the scheduler.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

LAYERS, HIDDEN = 32, 4096
ONCE = ("embedding", "final_layernorm")
PER_LAYER = (
    "qkv_proj",
    "rotary_emb",
    "o_proj",
    "layernorm",
    "layernorm",
    "gate_up_proj",
    "act_fn",
    "down_proj",
)
#: all-reduce of two ranks, bytes and microseconds: profiler/perf/RTXPRO6000/hardware.yaml of that repository
ALL_REDUCE_BYTES = (8192, 65536, 262144, 1048576, 4194304, 16777216)
ALL_REDUCE_US = (12.666, 14.756, 21.717, 41.041, 124.868, 471.12)
LARGEST_BATCH = 128
LEAST_CHUNK = 128


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


class Dense:
    """Microseconds of all layers but attention, by tokens and by sequences that yield a token."""

    def __init__(self, directory: Path, tp: int) -> None:
        self.tp = tp
        self.tables: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for kind, key in (("dense", "tokens"), ("per_sequence", "sequences")):
            rows = read(directory / f"tp{tp}_{kind}.csv")
            for layer in {r["layer"] for r in rows}:
                points = sorted((float(r[key]), float(r["time_us"])) for r in rows if r["layer"] == layer)
                x, y = zip(*points, strict=True)
                self.tables[layer] = np.array(x), np.array(y)

    def at(self, layer: str, x: np.ndarray) -> np.ndarray:
        return np.interp(x, *self.tables[layer])

    def step_us(self, tokens: np.ndarray, sequences: np.ndarray) -> np.ndarray:
        once = sum(self.at(layer, tokens) for layer in ONCE)
        layers = LAYERS * sum(self.at(layer, tokens) for layer in PER_LAYER)
        head = self.at("lm_head", sequences) + self.at("sampler", sequences)
        reduce = np.interp(tokens * HIDDEN * 2, ALL_REDUCE_BYTES, ALL_REDUCE_US) if self.tp > 1 else 0.0
        return once + layers + head + (2 * LAYERS + 1) * reduce


def relative_fit(design: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return non-negative coefficients and the relative errors they leave."""
    scale = np.abs(design).max(axis=0)
    coefficients, _ = nnls(design / scale / measured[:, None], np.ones(len(measured)))
    return coefficients / scale, design @ (coefficients / scale) / measured - 1


def show(label: str, coefficients: np.ndarray, errors: np.ndarray) -> None:
    numbers = ", ".join(f"{c / 1e3:.6g}" for c in coefficients)
    size = np.abs(errors)
    print(f"  {label}: [{numbers}] ms  rows {len(errors)}, ", end="")
    print(f"median {np.median(size):.1%}, largest {size.max():.1%}")


def main() -> None:
    directory = Path(sys.argv[1])
    for tp in (1, 2):
        print(f"tp {tp}")
        dense = Dense(directory, tp)
        rows = read(directory / f"tp{tp}_attention.csv")
        table = np.array([[float(r[k]) for k in r] for r in rows])  # chunk, cached, decodes, context, us
        prefill = table[(table[:, 2] == 0) & (table[:, 0] >= LEAST_CHUNK)]
        n, cached, attention = prefill[:, 0], prefill[:, 1], prefill[:, 4]
        measured = dense.step_us(n, np.ones_like(n)) + LAYERS * attention
        design = np.stack([np.ones_like(n), n, (n + cached) ** 2 - cached**2], 1)
        a, errors = relative_fit(design, measured)
        show("prefill", a, errors)
        decode = table[(table[:, 0] == 0) & (table[:, 2] <= LARGEST_BATCH)]
        batch, context, attention = decode[:, 2], decode[:, 3], decode[:, 4]
        measured = dense.step_us(batch, batch) + LAYERS * attention
        design = np.stack([np.ones_like(batch), batch, batch * context], 1)
        b, errors = relative_fit(design, measured)
        show("decode", b, errors)
        print(f"    sum of contexts to {(batch * context).max():.0f}")
        mixed = table[(table[:, 0] >= LEAST_CHUNK) & (table[:, 2] > 0) & (table[:, 2] <= LARGEST_BATCH)]
        n, cached, batch, context, attention = mixed.T
        measured = dense.step_us(n + batch, batch + 1) + LAYERS * attention
        both = max(a[0], b[0]) + a[1] * n + a[2] * ((n + cached) ** 2 - cached**2) + b[1] * batch
        errors = (both + b[2] * batch * context) / measured - 1
        print(
            f"  sum of both in mixed steps: mean {errors.mean():+.1%}, median {np.median(np.abs(errors)):.1%}"
        )
        attended = (n + cached) ** 2 - cached**2
        design = np.stack([np.ones_like(n), n, attended, batch, batch * context], 1)
        show("mixed, fitted on its own", *relative_fit(design, measured))


if __name__ == "__main__":
    main()
