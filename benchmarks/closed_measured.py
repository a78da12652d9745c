"""Measured closed-loop runs beside the prediction: a section of docs/validation/closed_network.md.

No step times were measured for these models: everything rests on the roofline. Rows whose parallelism is not
modelled (attention data parallelism, more GPUs than a scale-up domain) or whose concurrency is not known are
counted and left out.
"""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import median
from typing import Any

import pdplan
from pdplan.errors import PdplanError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.predict_closed import closed_simulation
from pdplan.planner.problem import assemble

GPUS = {
    "gb200": ("gb200", "nvlink5"),
    "gb300": ("gb300", "nvlink5"),
    "b200_sxm": ("b200-sxm-180gb", "ib-ndr-400g"),
    "h200_sxm": ("h200-sxm-141gb", "ib-ndr-400g"),
    "h100_sxm": ("h100-sxm-80gb", "ib-ndr-400g"),
}
MODELS = {
    "deepseek-ai/DeepSeek-V3": "deepseek-v3",
    "moonshotai/Kimi-K2.5": "kimi-k2",
    "nvidia/Qwen3-32B-NVFP4": "qwen3-32b",
    "Qwen/Qwen3-32B": "qwen3-32b",
}
#: Generated over nominal output length of these runs.
OUTPUT_FACTOR = 0.9

HEAD = """
## Measured runs

{used} of {all} closed-loop runs of AIConfigurator's silicon samples (Apache-2.0; means of TTFT and TPOT), by
`python benchmarks/closed_network.py --measured FILE`: those whose concurrency and parallelism are known and
modelled ({why}). Lengths fixed, outputs at 0.9 of their nominal length, batches without a limit but memory.
No measured step times exist for these models, so this says more of the roofline than of the queueing:
engine and formula see the same step times and agree with each other. The roofline is too fast, most of all
for prefill of these large mixture-of-experts models on few users, where host, router and communication times
that it does not have make up most of the measured TTFT: fit a profile before believing a TTFT. Speculative
decoding, which some of the runs may use, is not in the data and not in the prediction. Ratios are predicted
over measured.

"""


def measured_section(path: Path) -> str:
    """Return the section for a file of measured runs."""
    rows = list(csv.DictReader(path.open()))
    left: dict[str, int] = {}
    lines, ratios = [], []
    for row in rows:
        try:
            point = predicted(row)
        except _LeftOut as reason:
            left[str(reason)] = left.get(str(reason), 0) + 1
            continue
        line, ratio = point
        print(line, flush=True)
        lines.append(line)
        ratios.append(ratio)
    why = "; ".join(f"{n} left out: {reason}" for reason, n in sorted(left.items()))
    columns = (
        "model | GPU | instances | in/out | users | TTFT, ms | formula | engine | TPOT, ms | formula | engine"
    )
    text = HEAD.format(used=len(lines), all=len(rows), why=why)
    text += "\n".join([f"| {columns} |", "|---" * (columns.count("|") + 1) + "|", *lines]) + "\n\n"
    return text + _summary(ratios)


class _LeftOut(Exception):
    """A run that cannot be predicted, and why."""


def predicted(row: dict[str, str]) -> tuple[str, tuple[str, float, float]]:
    """One line, and (mode, TTFT ratio, TPOT ratio) of the engine."""
    if not row["concurrency"]:
        raise _LeftOut("no concurrency")
    if any(row[k] not in ("", "1.0") for k in ("dp_p", "dp_d")):
        raise _LeftOut("attention data parallelism")
    tp_p, tp_d = int(row["tp_p"]), int(row["tp_d"] or 0)
    if max(tp_p, tp_d) > 16:
        raise _LeftOut("parallel degree that is none of one instance")
    users = int(float(row["concurrency"]))
    isl, osl = int(float(row["isl"])), int(float(row["osl"]))
    split = row["mode"] == "disagg"
    p, d = (int(float(row["P"])), int(float(row["D"]))) if split else (1, 1)
    # of a colocated fleet the file has the batch of an instance
    count = max(1, round(users / float(row["batch_p"] or users)))
    gpu, link = GPUS[row["gpu"]]
    accelerator: dict[str, Any] = {
        "version": 1, "model": MODELS[row["model"]], "accelerator": gpu, "link": link,
        "weights_dtype": row["precision"], "kv_dtype": "fp8",
        "node": {"gpus": 16} if max(tp_p, tp_d) > 8 else {},
        "prefill": {"parallel": {"tp": [tp_p]}},
        "decode": {"parallel": {"tp": [tp_d or tp_p]}, "max_batch": 8192},
        "colocated": {"parallel": {"tp": [tp_p]}, "max_batch": 8192},
        "fleet": {"prefill": {"count": p, "tp": tp_p}, "decode": {"count": d, "tp": tp_d or tp_p}},
        "classes": [{
            "name": "bench", "rate": "1 req/s", "prompt_tokens": isl,
            "output_tokens": max(2, round(OUTPUT_FACTOR * osl)), "slo": {"ttft": {"mean": "60 s"}},
        }],
    }  # fmt: skip
    requests = max(1000, 12 * users)
    formula_ttft = formula_tpot = None
    try:
        scenario = pdplan.Scenario.model_validate(accelerator)
        if split:
            point = pdplan.predict(scenario, concurrency=users, requests=requests).points[0]
            assert point.formula is not None
            formula_ttft, formula_tpot = point.formula.ttft_s, point.formula.tpot_s
            seen = point.simulated
        else:
            problem = assemble(scenario)
            fleet = ColocatedFleet(problem, problem.options("colocated")[0], count)
            seen = closed_simulation(fleet, users, requests, 0)
    except PdplanError as error:
        raise _LeftOut(_short(str(error))) from None
    assert seen is not None
    ttft, tpot = seen.latency("ttft").value, seen.latency("tpot").value
    assert ttft is not None
    assert tpot is not None
    real_ttft, real_tpot = 1e-3 * float(row["ttft_mean_ms"]), 1e-3 * float(row["tpot_mean_ms"])
    instances = f"{p}P TP{tp_p} + {d}D TP{tp_d}" if split else f"{count} colocated TP{tp_p}"
    line = (
        f"| {row['model'].split('/')[1]} {row['precision']} | {row['gpu']} | {instances} | {isl}/{osl} "
        f"| {users} "
        f"| {1e3 * real_ttft:.0f} | {_ratio(formula_ttft, real_ttft)} | {ttft / real_ttft:.2f} "
        f"| {1e3 * real_tpot:.2f} | {_ratio(formula_tpot, real_tpot)} | {tpot / real_tpot:.2f} |"
    )
    return line, (row["mode"], ttft / real_ttft, tpot / real_tpot)


def _ratio(value: float | None, real: float) -> str:
    return "-" if value is None else f"{value / real:.2f}"


def _short(text: str) -> str:
    return "memory too small" if "memory" in text or "KV" in text or "weights" in text else text[:60]


def _summary(ratios: list[tuple[str, float, float]]) -> str:
    lines = []
    for mode, name in (("disagg", "disaggregated"), ("agg", "colocated")):
        mine = [r for r in ratios if r[0] == mode]
        if mine:
            ttft, tpot = sorted(r[1] for r in mine), sorted(r[2] for r in mine)
            near = sum(0.8 <= x <= 1.25 for x in tpot)
            lines.append(
                f"{len(mine)} {name} runs: median ratio of TTFT {median(ttft):.2f} ({ttft[0]:.2f} to "
                f"{ttft[-1]:.2f}), of TPOT {median(tpot):.2f} ({tpot[0]:.2f} to {tpot[-1]:.2f}); "
                f"TPOT within a factor of 1.25 in {near}."
            )
    return "\n".join(lines) + "\n"
