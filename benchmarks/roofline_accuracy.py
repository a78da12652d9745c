"""How far the roofline is from measured step times, by source and phase.

Usage: python benchmarks/roofline_accuracy.py DIRECTORY [--write]

DIRECTORY holds ``measured_prefill.csv`` and ``measured_decode.csv`` with the columns source, model, gpu, tp,
prompt_tokens | context_tokens, batch, prefill_ms | step_ms, kind, note. ``--write`` puts the tables into
docs/validation/roofline.md between its markers. No factor depends on a row, a source or a model.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from page import put_between

from pdplan.latency import Device, ModelShape, MoeShape, Roofline

DOC = Path(__file__).parents[1] / "docs" / "validation" / "roofline.md"
BEGIN, END = "<!-- begin: benchmarks/roofline_accuracy.py -->", "<!-- end -->"

# Peak rates: NVIDIA data sheets; H800 is H100 with NVLink at 400 GB/s; H20-3e is H20 with 141 GB of HBM3e.
DEVICES = {
    "a100-80gb": Device({"bf16": 312e12}, 80 * 2**30, 2.039e12, 300e9),
    "h100-80gb": Device({"bf16": 989.4e12, "fp8": 1978.9e12}, 80 * 2**30, 3.35e12, 450e9),
    "H200-SXM-141GB": Device({"bf16": 989.4e12, "fp8": 1978.9e12}, 141e9, 4.8e12, 450e9),
    "H800-81GB": Device({"bf16": 989.4e12, "fp8": 1978.9e12}, 80 * 2**30, 3.35e12, 200e9),
    "H20-3e-143GB": Device({"bf16": 148e12, "fp8": 296e12}, 141e9, 4.8e12, 450e9),
}
# Dimensions: the config.json of each model on Hugging Face.
SHAPES = {
    "nvidia/Llama-3.1-8B-Instruct-FP8": (ModelShape(32, 4096, 32, 8, 128, 14336, 128256), "fp8"),
    "Qwen3-8B": (ModelShape(36, 4096, 32, 8, 128, 12288, 151936), "bf16"),
    "Qwen3-235B-A22B-Instruct-2507": (
        ModelShape(94, 4096, 64, 4, 128, 12288, 151936, moe=MoeShape(128, 8, 1536)),
        "bf16",
    ),
    "llama2-70b": (ModelShape(80, 8192, 64, 8, 128, 28672, 32000), "bf16"),
    "bloom-176b": (
        ModelShape(70, 14336, 112, 112, 128, 57344, 250880, gated_ffn=False, tied_embeddings=True),
        "bf16",
    ),
}
MODERN = ("dynamo", "mooncake")


@dataclass(frozen=True)
class Row:
    group: str
    phase: str
    gpu: str
    tp: int
    at: str
    measured_s: float
    predicted_s: float

    @property
    def error(self) -> float:
        return self.predicted_s / self.measured_s - 1


def roofline(row: dict[str, str]) -> Roofline:
    shape, dtype = SHAPES[row["model"]]
    return Roofline(shape, DEVICES[row["gpu"]], tp=int(row["tp"]), weights_dtype=dtype)


def transfer_s(note: str) -> float:
    found = re.search(r"kv_transfer_ms=([\d.]+)", note)
    return float(found[1]) / 1e3 if found else 0.0


def predicted_prefill_s(row: dict[str, str], model: Roofline, tokens: float) -> float:
    """What the row measured: a bare step, a TTFT over HTTP, or one through prefill, transfer and decode."""
    step = float(model.prefill_step_s(tokens, tokens**2))
    request = float(model.request_overhead_s(tokens))
    if row["kind"] == "batch_prefill":
        return step
    if row["kind"] == "ttft_conc1":
        return request + step
    # The vLLM proxy sends the request to decode when prefill has answered: two requests in series, then a
    # decode step. SGLang's router sends it to both at once, and prefill's token is the first.
    if row["engine"].startswith("vllm"):
        return 2 * request + step + transfer_s(row["note"]) + float(model.decode_step_s(1.0, tokens))
    return request + step + transfer_s(row["note"])


def prefill_rows(path: Path) -> Iterator[Row]:
    for row in read(path):
        if float(row["batch"]) > 1:
            continue  # prompts of these rows did not run as one batch
        tokens = float(row["prompt_tokens"])
        model = roofline(row)
        yield Row(
            group(row),
            "prefill",
            row["gpu"],
            model.tp,
            f"n = {tokens:.0f}",
            float(row["prefill_ms"]) / 1e3,
            predicted_prefill_s(row, model, tokens),
        )


def decode_rows(path: Path) -> Iterator[Row]:
    for row in read(path):
        batch, context = float(row["batch"]), float(row["context_tokens"])
        model = roofline(row)
        yield Row(
            group(row),
            "decode",
            row["gpu"],
            model.tp,
            f"B = {batch:.0f}, L = {context:.0f}",
            float(row["step_ms"]) / 1e3,
            float(model.decode_step_s(batch, batch * context)),
        )


def read(path: Path) -> Iterable[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def group(row: dict[str, str]) -> str:
    source = row["source"].split(":")[0].split("-")[0]
    return f"{source} {row['model'].split('/')[-1]} {row['gpu']}"


def table(rows: list[Row], key: Callable[[Row], tuple[str, ...]], names: tuple[str, ...]) -> str:
    head = (*names, "rows", "median abs. error", "p90 abs. error", "bias (median)", "worst row")
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    for one in dict.fromkeys(key(r) for r in rows):
        part = [r for r in rows if key(r) == one]
        errors = np.array([r.error for r in part])
        worst = part[int(np.argmax(np.abs(errors)))]
        cells = (
            *one,
            str(len(part)),
            f"{np.median(np.abs(errors)):.1%}",
            f"{np.quantile(np.abs(errors), 0.9):.1%}",
            f"{np.median(errors):+.1%}",
            f"{worst.error:+.0%} at {worst.at}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def every_row(rows: list[Row]) -> str:
    lines = ["| source | phase | tp | at | measured ms | predicted ms | error |", "|" + " --- |" * 7]
    lines += [
        f"| {r.group} | {r.phase} | {r.tp} | {r.at} | {r.measured_s * 1e3:.1f} | {r.predicted_s * 1e3:.1f} "
        f"| {r.error:+.0%} |"
        for r in rows
    ]
    return "\n".join(lines)


def report(rows: list[Row]) -> str:
    modern = [r for r in rows if r.group.startswith(MODERN)]
    older = [r for r in rows if not r.group.startswith(MODERN)]
    return "\n\n".join(
        (
            "### Present-day engines",
            table(modern, lambda r: (r.group, r.phase), ("source", "phase")),
            "### Engine of 2023 (Splitwise's vLLM fork), batch 1 prefill and all decode rows",
            table(older, lambda r: (r.group, r.phase, f"tp {r.tp}"), ("source", "phase", "tp")),
            "### Every row of the present-day engines",
            every_row(modern),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows = [
        *prefill_rows(arguments.directory / "measured_prefill.csv"),
        *decode_rows(arguments.directory / "measured_decode.csv"),
    ]
    text = report(rows)
    print(text)
    if arguments.write:
        put_between(DOC, BEGIN, END, text)


if __name__ == "__main__":
    main()
