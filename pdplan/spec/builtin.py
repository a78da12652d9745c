"""The built-in example: what `pdplan plan` runs when no scenario is given."""

from __future__ import annotations

from typing import Final

from pdplan.spec.loading import parse_scenario
from pdplan.spec.scenario import Scenario

BUILTIN: Final = """\
version: 1
name: chat on Llama-3.1-70B
model: llama-3.1-70b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
classes:
  - name: chat
    rate: 8 req/s
    workload: azure-conv-2023
    slo: {ttft: {p99: 2 s}, tpot: {p95: 50 ms}}
"""


def builtin_scenario(overrides: tuple[str, ...] = ()) -> Scenario:
    """Return the built-in example: Llama-3.1-70B on H100, Azure conversation lengths at 8 req/s.

    Examples
    --------
    >>> builtin_scenario().classes[0].name
    'chat'
    """
    return parse_scenario(BUILTIN, "built-in example", overrides)
