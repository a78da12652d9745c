"""How far attention ranks and expert parallelism of the roofline are from measured fleets.

Usage: python benchmarks/moe_accuracy.py [--runs FILE] [--write]

Published throughputs are typed in below with their sources. FILE is ``measured_serving.csv``: closed-loop
runs with attention data parallelism (AIConfigurator's silicon samples, Apache-2.0). ``--write`` puts the
tables into docs/validation/moe.md between its markers. Every row has the default factors: none depends on a
row, a source or a model.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from pdplan.errors import PdplanError
from pdplan.latency import Device, MlaShape, ModelShape, MoeShape, Roofline
from pdplan.latency.all_to_all import all_to_all_s, low_latency_copies
from pdplan.serving.closed_network import ClosedNetwork
from pdplan.serving.demand import ClassDemand

DOC = Path(__file__).parents[1] / "docs" / "validation" / "moe.md"
MLA = MlaShape(512, 64, 128, 128, 1536)
#: Dimensions: config.json of deepseek-ai/DeepSeek-V3 and moonshotai/Kimi-K2-Instruct on Hugging Face.
DEEPSEEK = ModelShape(61, 7168, 128, 128, 128, 18432, 129280, mla=MLA, moe=MoeShape(256, 8, 2048, 2048, 3))
KIMI = ModelShape(61, 7168, 64, 64, 112, 18432, 163840, mla=MLA, moe=MoeShape(384, 8, 2048, 2048, 1))
#: Peak rates: NVIDIA data sheets; H800 is H100 with NVLink at 400 GB/s both ways.
HOPPER = {"bf16": 989.4e12, "fp8": 1978.9e12}
BLACKWELL = {"bf16": 2250e12, "fp8": 4500e12, "fp4": 9000e12}
GRACE = {"bf16": 2500e12, "fp8": 5000e12, "fp4": 10000e12}
DEVICES = {
    "h800": Device(HOPPER, 81559 * 2**20, 3.35e12, 200e9),
    "h100_sxm": Device(HOPPER, 81559 * 2**20, 3.35e12, 450e9),
    "h200_sxm": Device(HOPPER, 143771 * 2**20, 4.8e12, 450e9),
    "b200_sxm": Device(BLACKWELL, 183359 * 2**20, 8e12, 900e9),
    "gb200": Device(GRACE, 189471 * 2**20, 8e12, 900e9, 72),
    "gb300": Device({**GRACE, "fp4": 15000e12}, 284208 * 2**20, 8e12, 900e9, 72),
}
NDR = 50e9
#: In-system decode steps take isolated step time / this factor, as in every plan.
STEP_FACTOR = 0.95


@dataclass(frozen=True)
class Prefill:
    """A saturated prefill fleet: tokens per GPU and step, of prompts of so many new and cached tokens."""

    who: str
    gpu: str
    ranks: int
    rank_tokens: float
    new: float
    cached: float
    measured: float
    counts_cached: bool = False

    @property
    def text(self) -> str:
        hits = f" + {self.cached:.0f} cached" if self.cached else ""
        return f"EP{self.ranks}, prompts {self.new:.0f}{hits}, {self.rank_tokens:.0f} a GPU"

    def predicted(self) -> float:
        """Tokens per second and node of 8 [tok/s]."""
        tokens = self.rank_tokens * self.ranks
        pairs = tokens / self.new * ((self.new + self.cached) ** 2 - self.cached**2)
        step = float(model(DEEPSEEK, self.gpu, self.ranks).prefill_step_s(tokens, pairs))
        counted = (self.new + self.cached) / self.new if self.counts_cached else 1.0
        return 8 * self.rank_tokens / step * counted


@dataclass(frozen=True)
class Decode:
    """A decode fleet at so many sequences per GPU of a mean context."""

    who: str
    gpu: str
    ranks: int
    rank_batch: float
    context: float
    measured: float

    @property
    def text(self) -> str:
        return f"EP{self.ranks}, {self.rank_batch:.0f} sequences a GPU at {self.context:.0f}"

    def predicted(self) -> float:
        """Tokens per second and node of 8 [tok/s]."""
        batch = self.rank_batch * self.ranks
        step = float(model(DEEPSEEK, self.gpu, self.ranks).decode_step_s(batch, batch * self.context))
        return 8 * self.rank_batch / step * STEP_FACTOR


def model(shape: ModelShape, gpu: str, ranks: int) -> Roofline:
    """Experts over as many GPUs as there are attention ranks, fp8 weights."""
    return Roofline(
        shape, DEVICES[gpu], weights_dtype="fp8", dp_attention=ranks, ep=ranks, nic_bytes_per_s=NDR
    )


# SGLang: LMSYS, "Deploying DeepSeek with PD Disaggregation and Large-scale Expert Parallelism on 96 H100",
# 2025-05-05: 16,384 tokens a device; 256 sequences of 2,000 input and 100 output tokens.
# DeepSeek profile: github.com/deepseek-ai/profile-data, by that article's table; balance forced.
# DeepSeek production: "DeepSeek-V3/R1 Inference System Overview" (open-infra-index, 2025): 608e9 input tokens
# a day of which 342e9 were cached, 168e9 output, mean context 4,989, 20-22 tokens/s a user, 73.7k and 14.8k
# tokens/s a node. Prompts are not published: with the ratio 608/168 and a mean context of the prompt and
# half the output they are 4,387, of which 56.3% cached. 14,800 tokens/s of 8 GPUs at 21 tokens/s a user are
# 88 sequences a GPU.
PUBLISHED: tuple[Prefill | Decode, ...] = (
    Prefill("SGLang, 4 nodes", "h100_sxm", 32, 16384, 1024, 0, 57674),
    Prefill("SGLang, 4 nodes", "h100_sxm", 32, 16384, 2048, 0, 54543),
    Prefill("SGLang, 4 nodes", "h100_sxm", 32, 16384, 4096, 0, 50302),
    Decode("SGLang, 9 nodes", "h100_sxm", 72, 256, 2050, 22282),
    Prefill("DeepSeek production, cached tokens counted", "h800", 32, 16384, 1917, 2470, 73700, True),
    Decode("DeepSeek production", "h800", 144, 88, 4989, 14800),
    Prefill("DeepSeek profile", "h800", 32, 16384, 4096, 0, 62713),
    Decode("DeepSeek profile", "h800", 128, 128, 4096, 18598),
)
# DeepEP V1, docs/legacy.md: 128 tokens a GPU, top-8, H800 and ConnectX-7: EP, dispatch + combine [us].
DEEPEP = (
    (8, 77 + 114),
    (16, 118 + 195),
    (32, 155 + 273),
    (64, 173 + 314),
    (128, 192 + 369),
    (256, 194 + 360),
)


class LeftOut(Exception):
    """A run that cannot be predicted, and why."""


@dataclass(frozen=True)
class Run:
    """A closed-loop run beside its prediction."""

    row: dict[str, str]
    ttft_ms: float
    tpot_ms: float

    @property
    def ratios(self) -> tuple[float, float]:
        """TTFT and TPOT, predicted over measured."""
        return self.ttft_ms / float(self.row["ttft_mean_ms"]), self.tpot_ms / float(self.row["tpot_mean_ms"])


def number(text: str) -> int:
    return int(float(text or 0))


def instance(row: dict[str, str], side: str) -> Roofline:
    tp, ranks, ep = (max(1, number(row[f"{k}_{side}"])) for k in ("tp", "dp", "ep"))
    shape = KIMI if "Kimi" in row["model"] else DEEPSEEK
    try:
        return Roofline(
            shape,
            DEVICES[row["gpu"]],
            tp=tp,
            weights_dtype=row["precision"],
            kv_dtype="fp8",
            dp_attention=ranks,
            ep=ep,
            nic_bytes_per_s=NDR,
        )
    except PdplanError as error:
        raise LeftOut(str(error).split(":")[0]) from None


def predicted(row: dict[str, str]) -> Run:
    """Predict one run: outputs at 0.9 of their nominal length, 8192 tokens a rank and prefill step."""
    if not row["concurrency"]:
        raise LeftOut("no concurrency")
    p, d = instance(row, "p"), instance(row, "d")
    isl, osl = float(row["isl"]), max(2.0, round(0.9 * float(row["osl"])))
    bench = ClassDemand("bench", 1.0, np.array([isl]), np.array([osl]), np.array([1.0]))
    payload = isl * 61 * 576.0
    net = ClosedNetwork(
        number(row["concurrency"]),
        bench,
        p,
        d,
        number(row["P"]),
        number(row["D"]),
        transfer_s=378e-6 + payload / (NDR * min(p.tp, d.tp)),
        think_s=float(p.request_overhead_s(isl)),
        router="round_robin",
        discipline="batched",
        max_batch_tokens=8192.0 * p.dp_attention,
        max_batch=1024 * d.dp_attention,
        step_factor=STEP_FACTOR,
    )
    return Run(row, 1e3 * (net.mean_ttft_s + net.think_s), 1e3 * net.mean_tpot_s)


def wanted(row: dict[str, str]) -> bool:
    ranks = any(number(row[k]) > 1 for k in ("dp_p", "dp_d"))
    return ranks and row["mode"] == "disagg" and row["model"].split("/")[-1] in ("DeepSeek-V3", "Kimi-K2.5")


def runs(path: Path) -> tuple[list[Run], dict[str, int]]:
    found: list[Run] = []
    left: dict[str, int] = {}
    with path.open() as file:
        for row in filter(wanted, csv.DictReader(file)):
            try:
                found.append(predicted(row))
            except LeftOut as why:
                left[str(why)] = left.get(str(why), 0) + 1
                continue
            print(line_of(found[-1]), flush=True)
    return found, left


def table(columns: str, lines: list[str]) -> str:
    return "\n".join([f"| {columns} |", "|---" * (columns.count("|") + 1) + "|", *lines])


def published_lines() -> list[str]:
    return [
        f"| {case.who} | {case.gpu} | {'prefill' if isinstance(case, Prefill) else 'decode'} | {case.text} "
        f"| {case.measured:,.0f} | {case.predicted():,.0f} | {case.predicted() / case.measured - 1:+.0%} |"
        for case in PUBLISHED
    ]


def deepep_lines() -> list[str]:
    lines = []
    for ep, measured in DEEPEP:
        us = 1e6 * all_to_all_s(128, low_latency_copies(8, ep, 8), 7168 * 3.03125, 160e9, 40e9, 20e-6)
        lines.append(f"| EP{ep} | {measured} | {us:.0f} | {us / measured - 1:+.0%} |")
    return lines


def sides(row: dict[str, str]) -> str:
    def one(side: str) -> str:
        degrees = {k: number(row[f"{k}_{side}"]) for k in ("tp", "dp", "ep")}
        return " ".join(f"{k.upper()}{v}" for k, v in degrees.items() if v > 1) or "TP1"

    return f"{number(row['P'])} x {one('p')} + {number(row['D'])} x {one('d')}"


def line_of(run: Run) -> str:
    row, (ttft, tpot) = run.row, run.ratios
    what = f"{row['model'].split('/')[-1]} {row['precision']}"
    load = f"{number(row['isl'])}/{number(row['osl'])} | {number(row['concurrency'])}"
    return (
        f"| {what} | {row['gpu']} | {row['engine'].split()[0]} | {sides(row)} | {load} "
        f"| {float(row['ttft_mean_ms']):.0f} | {ttft:.2f} | {float(row['tpot_mean_ms']):.1f} | {tpot:.2f} |"
    )


def summary(found: list[Run]) -> str:
    """Medians, of all and of the groups that the text speaks of."""
    groups = {
        "all": found,
        "attention ranks on the decode side": [r for r in found if number(r.row["dp_d"]) > 1],
        "of these, with expert parallelism": [
            r for r in found if number(r.row["dp_d"]) > 1 and number(r.row["ep_d"]) > 1
        ],
        "32 sequences a rank or more": [
            r
            for r in found
            if number(r.row["dp_d"]) > 1
            and number(r.row["concurrency"]) >= 32 * number(r.row["dp_d"]) * number(r.row["D"])
        ],
        "decode in TP alone": [r for r in found if number(r.row["dp_d"]) <= 1],
    }
    lines = []
    for name, mine in groups.items():
        if not mine:
            continue
        ttft, tpot = sorted(r.ratios[0] for r in mine), sorted(r.ratios[1] for r in mine)
        near = sum(0.8 <= x <= 1.25 for x in tpot)
        lines.append(
            f"| {name} | {len(mine)} | {median(tpot):.2f} ({tpot[0]:.2f} to {tpot[-1]:.2f}) | {near} "
            f"| {median(ttft):.2f} ({ttft[0]:.2f} to {ttft[-1]:.2f}) |"
        )
    return table("runs | number | TPOT, median (range) | TPOT within 1.25 | TTFT, median (range)", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    columns = "fleet | GPU | phase | load | measured | predicted | error"
    published = table(columns, published_lines())
    deepep = table("group | measured, us | predicted, us | error", deepep_lines())
    print(published, deepep, sep="\n\n")
    found, left = runs(asked.runs) if asked.runs else ([], {})
    if found:
        print(summary(found))
    if asked.write:
        why = "; ".join(f"{n} left out: {reason}" for reason, n in sorted(left.items())) or "none left out"
        lines = [line_of(r) for r in found]
        each = table(
            "model | GPU | engine | instances | in/out | users | TTFT, ms | ratio | TPOT, ms | ratio", lines
        )
        text = DOC.read_text()
        parts = {
            "published": published,
            "deepep": deepep,
            "summary": summary(found),
            "runs": each,
            "left": why,
        }
        for name, part in parts.items():
            begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
            before, rest = text.split(begin)
            text = f"{before}{begin}\n{part}\n{end}{rest.split(end)[1]}"
        DOC.write_text(text)


if __name__ == "__main__":
    main()
