"""What every catalog entry is: immutable, named, with the source of its numbers."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveCount = Annotated[int, Field(ge=1, le=1_000_000)]
CatalogName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class CatalogItem(BaseModel):
    """A catalog entry: immutable, no unknown keys, YAML keys without the unit in their name."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Source(CatalogItem):
    """Where a number comes from, and when somebody last looked."""

    what: str = Field(min_length=3, description="which numbers this source gives")
    url: str = Field(pattern=r"^https?://\S+$")
    checked: datetime.date


class NamedItem(CatalogItem):
    """What every catalog entry has: a name, other names it goes by, and sources."""

    name: CatalogName
    aliases: tuple[str, ...] = ()
    notes: str = ""
    sources: tuple[Source, ...] = Field(min_length=1)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.name))
