"""Fit every (tp, pp) that was measured, and write the result as a latency profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pdplan.errors import InputError
from pdplan.latency.fitted import Fitted
from pdplan.latency.fitting.collect import Degrees, Gathered
from pdplan.latency.fitting.speedup import Speedup, speedups
from pdplan.latency.fitting.steps import StepFit, fit_decode, fit_prefill
from pdplan.latency.profile import LatencyProfile


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What end-to-end runs say beyond the steps: written into the profile.

    Parameters
    ----------
    step_factor : float
        In-system over isolated speed of decode steps [-].
    ttft_overhead_s, ttft_overhead_per_token_s : float
        Time of a request outside prefill [s], [s/tok].
    how : str
        One sentence.
    """

    step_factor: float | None
    ttft_overhead_s: float = 0.0
    ttft_overhead_per_token_s: float = 0.0
    how: str = ""


@dataclass(frozen=True, eq=False)
class ProfileFit:
    """The fits of one system."""

    gathered: Gathered
    prefill: dict[Degrees, StepFit]
    decode: dict[Degrees, StepFit]
    speedups: tuple[Speedup, ...] = field(default=())

    @property
    def complete(self) -> tuple[Degrees, ...]:
        """The (tp, pp) with prefill and decode: those that a profile can hold."""
        return tuple(sorted(set(self.prefill) & set(self.decode)))

    @property
    def degrees(self) -> tuple[Degrees, ...]:
        """Every (tp, pp) with a fit."""
        return tuple(sorted(set(self.prefill) | set(self.decode)))

    def model(self, tp: int, pp: int = 1) -> Fitted:
        """Return the step times at one (tp, pp)."""
        prefill, decode = self.prefill[tp, pp], self.decode[tp, pp]
        return Fitted(
            prefill.prefill,
            decode.decode,
            prefill.ranges["prompt_tokens"],
            decode.ranges["batch"],
            ", ".join(self.gathered.files),
            self.gathered.kv_capacity.get((tp, pp)),
        )

    def profile_document(
        self, name: str, *, weights_dtype: str, kv_dtype: str, calibrated: Calibrated | None = None
    ) -> dict[str, Any]:
        """Return the profile as a document that `LatencyProfile` reads; times in ms.

        Raises
        ------
        InputError
            No (tp, pp) has both prefill and decode.
        """
        g = self.gathered
        if not self.complete:
            have = "; ".join(_have(self, key) for key in self.degrees)
            raise InputError(
                f"a profile needs prefill and decode steps at the same TP; measured: {have}; add the "
                "file with the others"
            )
        document: dict[str, Any] = {
            "name": name,
            "what": f"Fits to {', '.join(g.files)}",
            "model": g.model or "not said",
            "accelerator": g.accelerator or "not said",
            "engine": g.engine or "not said",
            "weights_dtype": weights_dtype,
            "kv_dtype": kv_dtype,
            "variants": [_variant(self, key, calibrated) for key in self.complete],
        }
        if g.kv_capacity:
            document["kv_capacity"] = [
                {"tp": t, "pp": p, "tokens": tokens} for (t, p), tokens in sorted(g.kv_capacity.items())
            ]
        if calibrated is not None and calibrated.step_factor is not None:
            document["calibration"] = {"step_factor": round(calibrated.step_factor, 4), "how": calibrated.how}
        document["notes"] = _notes(self)
        LatencyProfile.from_document(document)
        return document


def fit_profile(gathered: Gathered) -> ProfileFit:
    """Fit each (tp, pp) on its own.

    Raises
    ------
    InputError
        Nothing that can be fitted.
    """
    prefill = {key: fit_prefill(points) for key, points in sorted(gathered.prefill.items())}
    decode = {key: fit_decode(points) for key, points in sorted(gathered.decode.items())}
    if not prefill and not decode:
        raise InputError(
            f"{', '.join(gathered.files)}: no step to fit: give timed steps, or runs at concurrency 1 "
            "(prefill) and at a known concurrency or rate (decode)"
        )
    return ProfileFit(gathered, prefill, decode, (*speedups(prefill), *speedups(decode)))


def calibrated_document(
    document: dict[str, Any], name: str | None, calibrated: Calibrated | None
) -> dict[str, Any]:
    """Return a profile's document with what runs added to it; overheads come on top of those it has."""
    new = {**document, "variants": [dict(v) for v in document["variants"]]}
    if name is not None:
        new |= {"name": name}
        new.pop("aliases", None)
    if calibrated is None:
        return new
    if calibrated.step_factor is not None:
        new["calibration"] = {"step_factor": round(calibrated.step_factor, 4), "how": calibrated.how}
    for entry in new["variants"]:
        added = {"ttft_overhead_ms": calibrated.ttft_overhead_s}
        if "prefill_ms" in entry:
            added["ttft_overhead_per_token_ms"] = calibrated.ttft_overhead_per_token_s
        elif calibrated.ttft_overhead_per_token_s:
            per_token_ms = calibrated.ttft_overhead_per_token_s * 1e3
            text = f"tables hold a fixed TTFT overhead only; {per_token_ms:.3g} ms per prompt token was found"
            new["notes"] = [*new.get("notes", ()), text]
        for key, seconds in added.items():
            if seconds:
                entry[key] = _round(float(entry.get(key, 0.0)) + seconds * 1e3)
    LatencyProfile.from_document(new)
    return new


def _have(fit: ProfileFit, key: Degrees) -> str:
    kinds = [k for k, fits in (("prefill", fit.prefill), ("decode", fit.decode)) if key in fits]
    return f"TP {key[0]}" + (f" PP {key[1]}" if key[1] > 1 else "") + f" {' and '.join(kinds)}"


def _variant(fit: ProfileFit, key: Degrees, calibrated: Calibrated | None) -> dict[str, Any]:
    prefill, decode = fit.prefill[key], fit.decode[key]
    p = prefill.prefill
    entry: dict[str, Any] = {
        "tp": key[0],
        "pp": key[1],
        "prefill_ms": {
            "fixed": _ms(p.fixed_s),
            "per_token": _ms(p.per_token_s),
            "per_token_sq": _ms(p.per_token_sq_s),
        },
        "decode_ms": [
            {
                "from_batch": _round(d.from_batch),
                "fixed": _ms(d.fixed_s),
                "per_sequence": _ms(d.per_sequence_s),
                "per_context_token": _ms(d.per_context_token_s),
            }
            for d in decode.decode
        ],
        "prefill_tokens_range": _pair(prefill.ranges["prompt_tokens"]),
        "decode_batch_range": _pair(decode.ranges["batch"]),
    }
    if "context_tokens" in decode.ranges:
        entry["decode_context_range"] = _pair(decode.ranges["context_tokens"])
        entry["decode_context_sum_range"] = _pair(decode.ranges["sum_of_contexts"])
    if calibrated is not None and (calibrated.ttft_overhead_s or calibrated.ttft_overhead_per_token_s):
        entry["ttft_overhead_ms"] = _ms(calibrated.ttft_overhead_s)
        entry["ttft_overhead_per_token_ms"] = _ms(calibrated.ttft_overhead_per_token_s)
    entry["fit_error"] = "; ".join(f"{f.kind} {_error(f)}" for f in (prefill, decode))
    notes = [f"{f.kind}: {n}" for f in (prefill, decode) for n in f.notes]
    if notes:
        entry["identifiability"] = notes
    return entry


def _error(fit: StepFit) -> str:
    cross = fit.cross_validated
    if cross is None:
        return f"{len(fit.steps)} points, error not known"
    return f"{cross.points} points, cross-validated {cross}"


def _notes(fit: ProfileFit) -> list[str]:
    half = [_have(fit, key) for key in fit.degrees if key not in fit.complete]
    notes = [f"left out, as a profile needs both kinds: {text} only" for text in half]
    return ["fitted with pdplan profile fit", *notes, *fit.gathered.notes, *fit.gathered.corrections]


def _ms(seconds: float) -> float:
    return _round(seconds * 1e3)


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def _pair(span: tuple[float, float]) -> list[float]:
    return [_round(span[0]), _round(span[1])]
