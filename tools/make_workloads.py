"""Compute models/workloads/*.yaml from the public traces.

    python tools/make_workloads.py --traces DIR [--out models/workloads] [--checked 2026-11-20]

DIR holds the traces under the names below (see `ENTRIES` for where they come from). Each entry keeps quantile
tables of both lengths, their correlation, how requests arrived and what a prefix cache would have held.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from pdplan.workload import Trace, describe_trace, prefix_reuse, read_trace, workload_yaml

COMMENT = "Computed by tools/make_workloads.py from the trace named under sources; do not edit by hand."


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


def document(entry: Entry, trace: Trace, checked: str) -> str:
    uncached = None
    if trace.hash_ids is not None and trace.block_tokens is not None:
        uncached = prefix_reuse(trace.hash_ids, trace.prompt_tokens, trace.block_tokens).uncached_tokens
    return workload_yaml(
        entry.name,
        trace,
        describe_trace(trace),
        about=entry.about,
        source={"what": entry.what, "url": entry.url, "licence": entry.licence, "checked": checked},
        aliases=entry.aliases,
        uncached_tokens=uncached,
        with_arrivals=entry.measured_arrivals,
        comment=COMMENT,
    )


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
        (given.out / f"{entry.name}.yaml").write_text(document(entry, trace, given.checked))
        print(f"{entry.name}: {len(trace)} requests")


if __name__ == "__main__":
    main()
