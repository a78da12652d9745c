"""What people call the parts of a mean TTFT: the same words in text, pictures and pages."""

from __future__ import annotations

from typing import Final

#: Parts in the order in which a request meets them.
PARTS: Final = {
    "overhead": "host",
    "queue": "queue",
    "prefill": "prefill",
    "iterations": "steps until the first token",
    "transfer_wait": "link queue",
    "transfer": "transfer",
    "admission": "admission",
    "join": "join",
    "residual": "running step",
    "first_step": "first step",
}
