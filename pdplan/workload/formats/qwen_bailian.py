"""Qwen-Bailian traces of Alibaba (https://github.com/alibaba-edu/qwen-bailian-usagetraces-anon).

A JSON object on each line: ``timestamp`` in seconds (Mooncake's is in milliseconds), lengths, ``hash_ids``
for blocks of 16 tokens, ``type`` of the request, and a conversation as a chain: ``chat_id`` of this request,
``parent_chat_id`` of the one before it (-1 for none).
"""

from __future__ import annotations

from pdplan.workload.formats.layout import Layout

NAME = "Qwen-Bailian JSONL"
BLOCK_TOKENS = 16
_NEEDED = frozenset({"chat_id", "parent_chat_id", "timestamp", "input_length", "output_length", "hash_ids"})


def recognise_json(keys: frozenset[str]) -> Layout | None:
    """Return the layout where the keys of a chat are beside those of Mooncake."""
    if not keys >= _NEEDED:
        return None
    return Layout(
        NAME,
        "jsonl",
        prompt="input_length",
        output="output_length",
        time="timestamp",
        time_unit_s=1.0,
        hashes="hash_ids",
        block_tokens=BLOCK_TOKENS,
        labels=("type",) if "type" in keys else (),
        session="chat_id",
        parent="parent_chat_id",
    )
