"""What carries KV from prefill to decode: ports of one rate, a start-up time, and a software ceiling."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pdplan.checks import require_positive
from pdplan.spec.fields import BytesPerSecond, Seconds
from pdplan.spec.items import NamedItem, PositiveCount

LinkKind = Literal["ethernet", "rdma", "nvlink", "pcie"]


class Link(NamedItem):
    """One kind of link; ``bytes_per_s`` is one port (NIC), one direction."""

    kind: LinkKind
    bytes_per_s: BytesPerSecond = Field(alias="bandwidth")
    t0_s: Seconds = Field(alias="startup")
    software_cap_bytes_per_s: BytesPerSecond | None = Field(default=None, alias="software_cap")
    nics_default: PositiveCount = Field(default=1, alias="nics")

    def bandwidth_bytes_per_s(self, nics: int | None = None) -> float:
        """Bandwidth of ``nics`` ports together, held under the software cap [B/s]."""
        count = self.nics_default if nics is None else nics
        require_positive("nics", count)
        rate = count * self.bytes_per_s
        return rate if self.software_cap_bytes_per_s is None else min(rate, self.software_cap_bytes_per_s)

    def transfer_s(self, payload_bytes: Any, nics: int | None = None) -> Any:
        """Time to move ``payload_bytes`` over ``nics`` idle ports, t0 + bytes / bandwidth [s]."""
        require_positive("payload_bytes", payload_bytes, "B", zero_ok=True)
        return self.t0_s + payload_bytes / self.bandwidth_bytes_per_s(nics)
