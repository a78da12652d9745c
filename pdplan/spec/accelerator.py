"""An accelerator as the catalog knows it: datasheet peaks, its reference server, and a dated price."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import Field

from pdplan.latency.shape import Device, Dtype
from pdplan.spec.fields import Bytes, BytesPerSecond, FlopsPerSecond, Watts
from pdplan.spec.items import CatalogItem, NamedItem, PositiveCount


class Price(CatalogItem):
    """What one accelerator costs by the hour, where, and on which day."""

    usd_per_hour: Annotated[float, Field(gt=0, lt=10_000, allow_inf_nan=False)]
    what: str = Field(min_length=3, description="seller and terms, e.g. on-demand, 8-GPU server")
    url: str = Field(pattern=r"^https?://\S+$")
    checked: datetime.date
    estimated: bool = Field(default=False, description="no public quote for this part: taken from a near one")


class Accelerator(NamedItem):
    """Peak rates of one accelerator and of the reference server that holds it.

    ``flops_per_s`` are dense rates (no structured sparsity). Bandwidths count one direction: NVLink 4 at
    "900 GB/s" moves 450 GB/s each way. ``memory_bytes`` is what the driver reports, which engines size
    their KV cache by: an "80 GB" H100 has 81559 MiB = 85.5 GB.
    """

    vendor: str
    memory_bytes: Bytes = Field(alias="memory")
    memory_bytes_per_s: BytesPerSecond = Field(alias="memory_bandwidth")
    flops_per_s: dict[Dtype, FlopsPerSecond] = Field(alias="flops", min_length=1)
    scale_up_bytes_per_s: BytesPerSecond = Field(alias="scale_up_bandwidth")
    scale_up_gpus: PositiveCount
    gpus_per_node: PositiveCount
    nics_per_node: PositiveCount
    nic_bytes_per_s: BytesPerSecond = Field(alias="nic_bandwidth")
    power_w: Watts = Field(alias="power")
    price: Price

    @property
    def device(self) -> Device:
        """The peak rates alone, as the latency models take them."""
        return Device(
            flops_per_s={str(dtype): rate for dtype, rate in self.flops_per_s.items()},
            memory_bytes=self.memory_bytes,
            memory_bytes_per_s=self.memory_bytes_per_s,
            scale_up_bytes_per_s=self.scale_up_bytes_per_s,
            scale_up_gpus=self.scale_up_gpus,
        )

    @property
    def price_usd_per_hour(self) -> float:
        """Price of one accelerator [USD/h], on the day that ``price.checked`` says."""
        return self.price.usd_per_hour
