"""Compute models/workloads/*.yaml from the public traces.

    python tools/make_workloads.py --traces DIR [--out models/workloads] [--checked 2026-11-20]

DIR holds the traces under the names below (see `ENTRIES` for where they come from). Each entry keeps quantile
tables of both lengths, their correlation, how requests arrived and what a prefix cache would have held.
"""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pdplan.workload import (
    ArrivalStatistics,
    LengthStatistics,
    Trace,
    TraceStatistics,
    describe_trace,
    read_trace,
)

# the extra points near the top hold mean and SCV of the table within 0.2% and 0.6% of the trace's
PERCENTS = (*range(100), 98.5, 99.25, 99.5, 99.7, 99.8, 99.9, 99.95, 99.99, 100)
COLUMNS = 8


@dataclass(frozen=True)
class Entry:
    name: str
    file: str
    about: str
    what: str
    url: str
    licence: str
    aliases: tuple[str, ...] = ()
    measured_arrivals: bool = True


ENTRIES = (
    Entry(
        "azure-conv-2023",
        "AzureLLMInferenceTrace_conv.csv",
        "Conversations with an LLM service of Azure, 2023: one hour, rate drifting, locally Poisson.",
        "Azure LLM inference trace 2023, conversation (Patel et al., Splitwise, ISCA 2024)",
        "https://github.com/Azure/AzurePublicDataset/blob/master/data/AzureLLMInferenceTrace_conv.csv",
        "CC-BY-4.0",
        ("azure-conversation-2023", "azure-conv"),
    ),
    Entry(
        "mooncake-conversation",
        "mooncake_conversation_first30min.jsonl",
        "Long conversations with Kimi: the first 30 minutes of the hour. Timestamps come in ticks, which "
        "were spread; over the whole hour 37% of the prompt tokens are reused.",
        "Mooncake FAST'25 conversation trace (Qin et al., FAST 2025), first 5719 of 12031 requests",
        "https://github.com/kvcache-ai/Mooncake/blob/main/FAST25-release/traces/conversation_trace.jsonl",
        "Apache-2.0",
        ("mooncake-conv", "mooncake"),
    ),
    Entry(
        "sharegpt",
        "llmservingsim_sharegpt_300_sps10.jsonl",
        "ShareGPT conversations as LLMServingSim replays them with Llama-3.1-8B: long prompts, outputs of "
        "512 and more tokens. Arrivals are synthetic (Poisson, 10 req/s) and left out.",
        "LLMServingSim workload sharegpt-llama-3.1-8b-300-sps10 (300 requests)",
        "https://github.com/casys-kaist/LLMServingSim/blob/main/workloads/sharegpt-llama-3.1-8b-300-sps10.jsonl",
        "MIT",
        ("sharegpt-llmservingsim",),
        measured_arrivals=False,
    ),
)


def quantile_table(tokens: NDArray[np.float64]) -> list[tuple[float, float]]:
    """(percent, tokens), ends included; Hazen's plotting positions leave the mean unbiased."""
    percents = sorted(PERCENTS)
    values = np.rint(np.quantile(tokens, np.array(percents) / 100, method="hazen"))
    values[0], values[-1] = tokens.min(), tokens.max()
    return list(zip(percents, values.tolist(), strict=True))


def table_lines(key: str, tokens: NDArray[np.float64], measured: LengthStatistics) -> list[str]:
    rows = [f"{percent:g}: {value:g}" for percent, value in quantile_table(tokens)]
    lines = [f"{key}:  # mean {measured.mean:.1f}, SCV {measured.scv:.3f}", "  quantiles: {"]
    lines += [f"    {', '.join(rows[i : i + COLUMNS])}," for i in range(0, len(rows), COLUMNS)]
    return [*lines, "  }"]


def arrival_lines(arrivals: ArrivalStatistics) -> list[str]:
    dispersion = ", ".join(f"{w:g}: {x:.2f}" for w, x in arrivals.index_of_dispersion.items())
    lines = [
        "arrivals:",
        f"  rate_per_s: {arrivals.rate:.4f}",
        f"  span_s: {arrivals.span_s:.1f}",
        f"  window_s: {arrivals.window_s:g}",
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


def document(entry: Entry, trace: Trace, measured: TraceStatistics, checked: str) -> str:
    lines = [
        "# Computed by tools/make_workloads.py from the trace named under sources; do not edit by hand.",
        f"name: {entry.name}",
        f"aliases: [{', '.join(entry.aliases)}]",
        "about: >-",
        *textwrap.wrap(entry.about, 108, initial_indent="  ", subsequent_indent="  "),
        f"requests: {measured.requests}",
        *table_lines("prompt_tokens", trace.prompt_tokens, measured.prompt),
        *table_lines("output_tokens", trace.output_tokens, measured.output),
        f"length_correlation: {measured.correlation:.4f}  # Pearson, of the token counts",
        f"rank_correlation: {measured.rank_correlation:.4f}  # Spearman",
    ]
    if measured.prefix_hit is not None and measured.uncached is not None:
        lines += [
            f"prefix_hit: {measured.prefix_hit:.4f}  # share of prompt tokens in a cache without limit",
            f"uncached_prompt: {{mean: {measured.uncached.mean:.1f}, scv: {measured.uncached.scv:.3f}}}",
        ]
    if entry.measured_arrivals:
        lines += arrival_lines(measured.arrivals)
    lines += [
        "sources:",
        f'  - what: "{entry.what}"',
        f"    url: {entry.url}",
        f"    licence: {entry.licence}",
        f"    checked: {checked}",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--traces", type=Path, required=True, help="folder with the traces")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "models" / "workloads")
    parser.add_argument("--checked", default="2026-11-20", help="date on which the source was looked at")
    given = parser.parse_args()
    for entry in ENTRIES:
        trace = read_trace(given.traces / entry.file)
        (given.out / f"{entry.name}.yaml").write_text(
            document(entry, trace, describe_trace(trace), given.checked)
        )
        print(f"{entry.name}: {len(trace)} requests")


if __name__ == "__main__":
    main()
