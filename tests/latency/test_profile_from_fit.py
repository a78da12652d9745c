"""A fit as a profile document: what it says is what is loaded; ranges, checks and comparisons."""

from __future__ import annotations

import pytest

from pdplan.errors import InputError
from pdplan.latency.fitting.check import check_profile
from pdplan.latency.fitting.collect import Gathered, gather
from pdplan.latency.fitting.compare import places
from pdplan.latency.fitting.profile_fit import Calibrated, calibrated_document, fit_profile
from pdplan.latency.measured import DecodePoint, Measurements, PrefillPoint, ServingRun, Spread
from pdplan.latency.profile import LatencyProfile
from pdplan.latency.validity import validity_notes


def steps(tp: int = 1, speed: float = 1.0) -> Measurements:
    """10 ms + 0.1 ms a token; 8 ms + 0.2 ms a sequence + 100 ns a context token."""
    return Measurements(
        "table",
        f"/data/steps{tp}.csv",
        prefill=tuple(PrefillPoint(n, (0.01 + 1e-4 * n) / speed, tp) for n in (128, 512, 2048, 8192)),
        decode=tuple(
            DecodePoint(b, c, (0.008 + 2e-4 * b + 1e-7 * b * c) / speed, tp)
            for b in (1, 8, 64)
            for c in (512, 4096)
        ),
        model="m",
        accelerator="a",
        kv_capacity_tokens={(tp, 1): 70_000},
    )


def document(gathered: Gathered, calibrated: Calibrated | None = None) -> dict[str, object]:
    return fit_profile(gathered).profile_document(
        "mine", weights_dtype="fp8", kv_dtype="bf16", calibrated=calibrated
    )


def test_the_document_loads_to_the_fit() -> None:
    profile = LatencyProfile.from_document(document(gather([steps(), steps(2, 1.5)])))
    assert profile.degrees == ((1, 1), (2, 1))
    model = profile.model(1)
    assert float(model.prefill_step_s(1000, 1e6)) == pytest.approx(0.11, rel=1e-4)
    assert float(model.decode_step_s(8, 8 * 512)) == pytest.approx(0.008 + 0.0016 + 4.096e-4, rel=1e-4)
    assert float(profile.model(2).prefill_step_s(1000, 1e6)) == pytest.approx(0.11 / 1.5, rel=1e-4)
    assert (model.prefill_range, model.decode_range) == ((128, 8192), (1, 64))
    assert (model.context_range, model.context_sum_range) == ((512, 4096), (512, 64 * 4096))  # type: ignore[union-attr]
    assert profile.kv_capacity_tokens(1) == 70_000
    assert "cross-validated median" in profile.fit_errors[1, 1]
    assert profile.step_factor is None


def test_calibration_is_kept_and_added_up() -> None:
    found = document(gather([steps()]), Calibrated(0.93, 0.004, 2e-6, "2 runs"))
    profile = LatencyProfile.from_document(found)
    assert (profile.step_factor, profile.calibrated) == (0.93, "2 runs")
    assert float(profile.model(1).request_overhead_s(1000)) == pytest.approx(0.006)  # type: ignore[union-attr]
    again = LatencyProfile.from_document(
        calibrated_document(found, "other", Calibrated(0.9, 0.001, 0.0, "1 run"))
    )
    assert (again.name, again.step_factor) == ("other", 0.9)
    assert float(again.model(1).request_overhead_s(1000)) == pytest.approx(0.007)  # type: ignore[union-attr]


@pytest.mark.parametrize("factor", [0.0, 1.2, -1, "fast", True])
def test_impossible_step_factors_are_refused(factor: object) -> None:
    with pytest.raises(InputError, match="step_factor"):
        LatencyProfile.from_document(document(gather([steps()])) | {"calibration": {"step_factor": factor}})


def test_a_profile_needs_both_kinds() -> None:
    half = Measurements("t", "p.csv", prefill=(PrefillPoint(512, 0.07), PrefillPoint(1024, 0.1)))
    with pytest.raises(InputError, match=r"prefill and decode steps at the same TP; measured: TP 1 prefill"):
        document(gather([half]))
    both = document(gather([steps(), Measurements("t", "p.csv", prefill=(PrefillPoint(512, 0.07, tp=4),))]))
    assert [v["tp"] for v in both["variants"]] == [1]  # type: ignore[attr-defined]
    assert any("TP 4 prefill only" in n for n in both["notes"])  # type: ignore[attr-defined]


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"empty.json: no step to fit"):
        fit_profile(gather([Measurements("t", "empty.json")]))


def test_contexts_outside_are_said() -> None:
    model = LatencyProfile.from_document(document(gather([steps()]))).model(1)
    assert validity_notes(model, mean_context_tokens=1000, context_sum_tokens=64_000) == ()
    notes = validity_notes(model, mean_context_tokens=10_000, context_sum_tokens=640_000)
    assert notes == (
        "a mean context of 10,000 tokens is outside the 512 to 4,096 that the latency model was made for",
        "contexts of 640,000 tokens in a decode step are beyond the 262,144 that the latency model was made "
        "for",
    )


def test_check_by_hand() -> None:
    """Decode measured 10% slower than the profile: predicted/measured = 1/1.1, an error of 9.09%."""
    profile = LatencyProfile.from_document(document(gather([steps()])))
    slow = tuple(DecodePoint(d.batch, d.context_tokens, 1.1 * d.seconds) for d in steps().decode)
    found = check_profile(profile, gather([Measurements("t", "f", decode=slow), steps(8)]))
    assert [(r.kind, r.tp) for r in found.rows] == [("decode", 1)]
    assert found.rows[0].errors.median == pytest.approx(1 - 1 / 1.1, rel=1e-4)
    assert found.rows[0].bias == pytest.approx(1 / 1.1 - 1, rel=1e-4)
    assert found.missing == ((8, 1),)


def test_check_against_runs_uses_what_runs_add() -> None:
    """TTFT 110 ms of prefill and 6 of overhead; a step of 8 + 0.2 + 0.10505 ms over the factor 0.93."""
    profile = LatencyProfile.from_document(document(gather([steps()]), Calibrated(0.93, 0.004, 2e-6, "x")))
    step = (0.008 + 2e-4 + 1e-7 * 1050.5) / 0.93
    alone = ServingRun(
        50, 1000, 101, concurrency=1, throughput=0.4, ttft=Spread(p50=0.116), tpot=Spread(mean=step)
    )
    found = check_profile(profile, gather([Measurements("t", "f", runs=(alone,))]))
    assert [r.from_runs for r in found.rows] == [True, True]
    assert max(r.errors.largest for r in found.rows) < 1e-4


def test_compare_needs_a_common_tp() -> None:
    one, four = (LatencyProfile.from_document(document(gather([steps(tp)]))) for tp in (1, 4))
    with pytest.raises(InputError, match="no TP and PP in common"):
        places(one, four)
    assert {p.ratio for p in places(one, one)} == {1.0}
    # 64 x 4096 was measured; nothing is shown beyond the sum of contexts
    assert max(p.at["batch"] * p.at["context_tokens"] for p in places(one) if p.kind == "decode") == 64 * 4096


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("variants", 3),
        ("variants", [3]),
        ("variants", []),
        ("kv_capacity", 3),
        ("kv_capacity", [[1, 2]]),
        ("notes", "a text"),
        ("calibration", [1]),
        ("calibration", {"step_factr": 0.9}),
        ("engine_overhead", 2.0),
        ("decode_ms", 5),
        ("decode_ms", []),
        ("prefill_ms", [1]),
        ("identifiability", "a text"),
        ("decode_context_range", [5]),
        ("decode_context_range", [2, 1]),
        ("ttft_overhead_per_token_ms", "much"),
    ],
)
def test_malformed_profiles_are_refused(key: str, value: object) -> None:
    found = document(gather([steps()]))
    if key in ("variants", "kv_capacity", "notes", "calibration", "engine_overhead"):
        found[key] = value
    else:
        found["variants"][0][key] = value  # type: ignore[index]
    with pytest.raises(InputError):
        LatencyProfile.from_document(found)
