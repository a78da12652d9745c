"""What a doubt says: frozen, printable, and one JSON document."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pdplan._version import __version__
from pdplan.planner.doubt_inputs import DoubtfulInput
from pdplan.planner.doubt_promise import Promise
from pdplan.spec.scenario import Scenario

#: Normal quantile of the 95% intervals.
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Probability:
    """A share of samples [-], with its 95% interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, held: int, samples: int) -> Probability:
        """Return Wilson's interval, as of independent samples (a Sobol sequence is closer).

        Examples
        --------
        >>> p = Probability.of(90, 100)          # Brown, Cai and DasGupta 2001: 0.826 to 0.945
        >>> round(p.low, 3), round(p.high, 3)
        (0.826, 0.945)
        """
        share, z2 = held / samples, Z95**2
        centre = (share + z2 / (2 * samples)) / (1 + z2 / samples)
        half = Z95 / (1 + z2 / samples) * math.sqrt(share * (1 - share) / samples + z2 / (4 * samples**2))
        low = 0.0 if held == 0 else max(0.0, centre - half)
        return cls(share, low, 1.0 if held == samples else min(1.0, centre + half))

    def document(self) -> dict[str, float]:
        """Return the JSON form."""
        return {"value": round(self.value, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


@dataclass(frozen=True, slots=True)
class Driver:
    """What one input decides: shares of samples that hold in its lower and in its upper half [-]."""

    name: str
    holds_low: float
    holds_high: float

    @property
    def effect(self) -> float:
        """What the better half gains over the worse [-]."""
        return abs(self.holds_high - self.holds_low)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "input": self.name,
            "holds_if_low": round(self.holds_low, 6),
            "holds_if_high": round(self.holds_high, 6),
        }


@dataclass(frozen=True, slots=True)
class DoubtedPromise:
    """One objective or capacity: how likely it holds, and the input that most decides it (if any fails)."""

    promise: Promise
    probability: Probability
    driver: Driver | None

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "class": self.promise.class_name or None,
            "what": self.promise.what,
            "probability": self.probability.document(),
            "driver": None if self.driver is None else self.driver.document(),
        }


@dataclass(frozen=True, slots=True)
class ConfidentFleet:
    """The cheapest fleet of the same instances that holds with the confidence asked for.

    ``fresh`` is its probability on samples that had no part in choosing it.
    """

    prefill: int
    decode: int
    usd_per_hour: float
    gpus: int
    probability: Probability
    fresh: Probability

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "prefill": self.prefill,
            "decode": self.decode,
            "gpus": self.gpus,
            "usd_per_hour": float(f"{self.usd_per_hour:.10g}"),
            "probability": self.probability.document(),
            "fresh_samples": self.fresh.document(),
        }


@dataclass(frozen=True, eq=False)
class Doubt:
    """How sure a fleet is to keep its promises.

    ``sure`` is None where no number of these instances holds with the confidence; ``in_the_way`` then names
    what fails most and ``best_share`` how far growing gets.
    """

    scenario: Scenario
    prefill_label: str
    decode_label: str
    prefill: int
    decode: int
    usd_per_hour: float
    inputs: tuple[DoubtfulInput, ...]
    samples: int
    seed: int
    confidence: float
    probability: Probability
    over_load_limit: float
    promises: tuple[DoubtedPromise, ...]
    drivers: tuple[Driver, ...]
    sure: ConfidentFleet | None
    best_share: float
    in_the_way: str

    @property
    def label(self) -> str:
        """E.g. ``2 prefill TP4 + 3 decode TP4``."""
        return self.label_of(self.prefill, self.decode)

    def label_of(self, prefill: int, decode: int) -> str:
        """Name a fleet of so many of these instances."""
        return f"{prefill} prefill {self.prefill_label} + {decode} decode {self.decode_label}"

    def __bool__(self) -> bool:
        """Whether some number of these instances holds with the confidence asked for."""
        return self.sure is not None

    def document(self) -> dict[str, Any]:
        """Return the JSON document: stable, versioned, without timings or dates."""
        return {
            "schema": "pdplan.doubt/1",
            "version": __version__,
            "samples": self.samples,
            "seed": self.seed,
            "confidence": self.confidence,
            "fleet": self.label,
            "prefill": self.prefill,
            "decode": self.decode,
            "usd_per_hour": float(f"{self.usd_per_hour:.10g}"),
            "inputs": [
                {"input": i.name, "spread": i.spread.document(), "source": i.source} for i in self.inputs
            ],
            "probability": self.probability.document(),
            "over_load_limit": round(self.over_load_limit, 6),
            "promises": [p.document() for p in self.promises],
            "drivers": [d.document() for d in self.drivers],
            "confident_fleet": None if self.sure is None else self.sure.document(),
            "best_share": round(self.best_share, 6),
            "in_the_way": self.in_the_way,
        }

    def __str__(self) -> str:
        """Read like an engineer's note, 80 columns wide."""
        from pdplan.planner.doubt_text import doubt_text

        return doubt_text(self, width=80)
