"""What fails how often, and how long it stays away: what spares are counted from."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from pdplan import units
from pdplan.errors import UnitError
from pdplan.spec.fields import PositiveFraction, Seconds, SpecModel

#: Mean time between failures of one GPU of a large cluster: 419 unexpected interruptions of a job on 16,384
#: H100s in 54 days, 16384 x 54 x 24 h / 419 = 50,676 h (The Llama 3 Herd of Models, arXiv 2407.21783,
#: section 3.3.4).
GPU_MTBF_S: Final = 50_000 * 3600.0


class Availability(SpecModel):
    """Failures and repairs of instances, and the share of time that the planned instances must be up.

    Examples
    --------
    >>> a = Availability.model_validate({"target": "99.9%", "mtbf": "720 h", "mttr": "30 min"})
    >>> round(a.target, 6), a.mtbf, a.mttr
    (0.999, 2592000.0, 1800.0)
    """

    target: PositiveFraction = Field(
        default=0.999, description="Share of time that all planned instances are up, below 100%."
    )
    mtbf: Seconds = Field(
        default=GPU_MTBF_S,
        description="Mean time between failures of one GPU; an instance fails with any of its GPUs.",
    )
    mttr: Seconds = Field(
        default=1800.0, description="Mean time until a failed instance serves again (restart or repair)."
    )

    @field_validator("target")
    @classmethod
    def _below_one(cls, value: float) -> float:
        if value >= 1.0:
            raise UnitError("value is 100%: nothing is always up, so ask for less, e.g. 99.9%")
        return value

    @model_validator(mode="after")
    def _repairs_are_shorter(self) -> Self:
        if self.mttr >= self.mtbf:
            raise UnitError(
                f"mttr {units.show(self.mttr, 'time')} is not below mtbf {units.show(self.mtbf, 'time')}: "
                "a GPU would be away most of the time; check the units"
            )
        return self
