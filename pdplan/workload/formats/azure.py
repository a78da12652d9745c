"""Azure LLM inference traces of 2023 and 2024.

``TIMESTAMP,ContextTokens,GeneratedTokens``; times are dates, with seven decimals in 2023 and an offset such
as ``+00:00`` in 2024 (https://github.com/Azure/AzurePublicDataset). A time without an offset is taken as UTC.
"""

from __future__ import annotations

from pdplan.workload.formats.layout import Layout, folded

NAME = "Azure LLM inference CSV"


def recognise_csv(header: tuple[str, ...]) -> Layout | None:
    """Return the layout where the three columns are there, and no others."""
    names = folded(header)
    if set(names) != {"timestamp", "contexttokens", "generatedtokens"}:
        return None
    return Layout(
        NAME,
        "csv",
        prompt=names["contexttokens"],
        output=names["generatedtokens"],
        time=names["timestamp"],
        header=header,
    )
