"""What carries KV from prefill to decode: ports of one rate, a start-up time, and a software ceiling."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pdplan.checks import require_positive
from pdplan.spec.quantities import BytesPerSecond, NamedItem, PositiveCount, Seconds

LinkKind = Literal["ethernet", "rdma", "nvlink", "pcie"]


def link_transfer_s(payload_bytes: Any, t0_s: Any, link_bytes_per_s: Any) -> Any:
    """Time to move one payload over an idle link: ``t0 + bytes / bandwidth``.

    Parameters
    ----------
    payload_bytes : float or array
        Payload [B], >= 0.
    t0_s : float
        Start-up time of one transfer [s], >= 0.
    link_bytes_per_s : float
        Bandwidth of all ports together [B/s], > 0.

    Raises
    ------
    InputError
        A value out of range.

    Source: Hockney, "The communication challenge for MPP" (1994), equation 1, with t0 = 1/startup rate.

    Examples
    --------
    >>> link_transfer_s(268435456, 0.0, 25e9)
    0.01073741824
    """
    require_positive("payload_bytes", payload_bytes, "B", zero_ok=True)
    require_positive("t0_s", t0_s, "s", zero_ok=True)
    require_positive("link_bytes_per_s", link_bytes_per_s, "B/s")
    return t0_s + payload_bytes / link_bytes_per_s


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
        """Time to move ``payload_bytes`` over ``nics`` idle ports [s]."""
        return link_transfer_s(payload_bytes, self.t0_s, self.bandwidth_bytes_per_s(nics))
