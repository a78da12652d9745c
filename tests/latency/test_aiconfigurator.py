"""Step times from AIConfigurator: with a stand-in for its package always, with the package where it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from pdplan.errors import InputError, ScenarioError, UnsupportedError
from pdplan.latency import aiconfigurator
from pdplan.latency.aiconfigurator import MODELS, SYSTEMS, DatabaseName, aiconfigurator_profile
from pdplan.latency.database_steps import database_steps
from pdplan.planner import plan
from pdplan.spec.catalog import catalog_names, load_accelerator, load_model
from pdplan.spec.loading import parse_scenario
from pdplan.spec.scenario import Scenario

SCENARIO = """\
version: 1
model: llama-3.1-8b
accelerator: h200-sxm-141gb
link: ib-ndr-400g
latency: aiconfigurator:h200_sxm/vllm
classes:
  - name: chat
    rate: 8 req/s
    prompt_tokens: {mean: 1155, scv: 0.9}
    output_tokens: {mean: 211, scv: 0.6}
    slo: {ttft: {p99: 2 s}, tpot: {p95: 50 ms}}
"""


class Mode(dict):  # type: ignore[type-arg]
    """An enum by name that has every name."""

    def __missing__(self, key: str) -> str:
        return key


class Backend:
    """Steps by hand, per TP: prefill 5 ms + 20 us a token + 0.4 ps a token^2; decode 4 ms + 30 us + 50 ns."""

    asked: list[SimpleNamespace]

    def __init__(self) -> None:
        self.asked = []

    def run_static_latency_only(
        self, model: SimpleNamespace, _: object, run: SimpleNamespace, mode: str
    ) -> float:
        self.asked.append(model)
        if mode == "static_gen":
            assert run.osl == 2
            return 4.0 + (0.03 * run.batch_size + 5e-5 * run.batch_size * run.isl) / model.tp_size
        assert (mode, run.osl) == ("static_ctx", 1)
        new = run.batch_size * (run.isl - run.prefix)
        squares = run.batch_size * (run.isl**2 - run.prefix**2)
        return 5.0 + (0.02 * new + 4e-7 * squares) / model.tp_size


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The parts of the package that pdplan uses, with steps that can be reckoned by hand."""
    backend = Backend()

    def get_model(path: str, settings: SimpleNamespace, _: str) -> SimpleNamespace:
        if settings.tp_size == 8:
            raise RuntimeError("no data of\ntp 8")
        settings.path = path
        return settings

    made = SimpleNamespace(
        perf_database=SimpleNamespace(
            get_version_slots=lambda system, _: (
                {"current": "0.24.0", "next": "0.27.0"} if system == "h200_sxm" else None
            ),
            get_database=lambda *_: object(),
        ),
        config=SimpleNamespace(
            ModelConfig=lambda **k: SimpleNamespace(**k), RuntimeConfig=lambda **k: SimpleNamespace(**k)
        ),
        models=SimpleNamespace(get_model=get_model, check_is_moe=lambda path: "A3B" in path),
        common=SimpleNamespace(
            DefaultHFModels={"meta-llama/Meta-Llama-3.1-8B", "Qwen/Qwen3-30B-A3B"},
            GEMMQuantMode=Mode(),
            MoEQuantMode=Mode(),
            KVCacheQuantMode=Mode(),
        ),
        get_backend=lambda _: backend,
        release="9.9",
        backend=backend,
    )
    monkeypatch.setattr(aiconfigurator, "_package", lambda: made)
    aiconfigurator_profile.cache_clear()
    yield made
    aiconfigurator_profile.cache_clear()


def profile(
    model: str = "llama-3.1-8b", weights: str = "bf16", **more: object
) -> aiconfigurator.LatencyProfile:
    text = str(more.pop("text", "aiconfigurator:h200_sxm/vllm"))
    given = {"kv_dtype": "bf16", "tps": (1, 2, 4), "longest_tokens": 131072, **more}
    return aiconfigurator_profile(text, model, weights_dtype=weights, **given)  # type: ignore[arg-type]


def test_steps_by_hand(package: SimpleNamespace) -> None:
    """TP 2, 4096 tokens as two prompts: 5 + (81.92 + 4e-7 x 2 x 2048^2)/2 = 5 + 40.96 + 1.678 = 47.638 ms.

    32 sequences of 1024: 4 + (0.96 + 5e-5 x 32768)/2 = 4 + 0.48 + 0.8192 = 5.2992 ms.
    """
    found = profile()
    steps = found.model(2)
    assert float(steps.prefill_step_s(4096, 2 * 2048**2)) == pytest.approx(0.047638, rel=1e-4)
    assert float(steps.prefill_step_s(4096, 4096**2)) == pytest.approx(0.049316, rel=1e-4)
    assert float(steps.decode_step_s(32, 32 * 1024)) == pytest.approx(5.2992e-3, rel=1e-9)
    # 1024 new tokens behind 3072 cached: 5 + (20.48 + 4e-7 (4096^2 - 3072^2))/2 = 16.708 ms
    assert float(steps.prefill_step_s(1024, 4096**2 - 3072**2)) == pytest.approx(0.016708, rel=1e-3)
    assert found.degrees == ((1, 1), (2, 1), (4, 1))
    assert found.source == "AIConfigurator 9.9, h200_sxm vllm 0.24.0, isolated steps"
    assert steps.prefill_range == (16.0, 131072.0)
    assert steps.decode_range == (1.0, 512.0)


def test_dtypes_and_moe_reach_the_package(package: SimpleNamespace) -> None:
    profile(weights="fp8", kv_dtype="fp8", tps=(1,))
    asked = package.backend.asked[-1]
    assert (asked.gemm_quant_mode, asked.kvcache_quant_mode) == ("fp8", "fp8")
    profile("qwen3-30b-a3b", tps=(4,))
    asked = package.backend.asked[-1]
    assert (asked.path, asked.moe_tp_size, asked.moe_ep_size) == ("Qwen/Qwen3-30B-A3B", 4, 1)
    assert not hasattr(asked, "gemm_quant_mode")
    profile("llama-3.1-8b-fp8", "fp8", tps=(2,))
    asked = package.backend.asked[-1]
    assert (asked.path, asked.gemm_quant_mode) == ("meta-llama/Meta-Llama-3.1-8B", "fp8")


def test_a_tp_that_the_database_lacks_is_left_out_and_said(package: SimpleNamespace) -> None:
    found = profile(tps=(4, 8))
    assert found.degrees == ((4, 1),)
    assert found.notes[-1] == "TP8: no data of tp 8"
    with pytest.raises(InputError, match=r"has no step times of llama-3\.1-8b: TP8: no data of tp 8"):
        profile(tps=(8,))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model": "opt-13b"}, "AIConfigurator 9.9 does not have opt-13b; it has .*llama-3.1-8b"),
        ({"model": "mixtral-8x7b"}, "does not have mixtral-8x7b"),
        ({"weights": "int4"}, "weights_dtype int4 of llama-3.1-8b is not mapped"),
        ({"kv_dtype": "fp4"}, "no kv_dtype fp4"),
        ({"text": "aiconfigurator:h200_sxm/vllm/0.14.0"}, "has vllm 0.24.0, 0.27.0 on h200_sxm, not 0.14.0"),
        ({"text": "aiconfigurator:l4/vllm"}, "has no data of l4 vllm"),
        ({"text": "aiconfigurator:h200_sxm"}, "write aiconfigurator:SYSTEM/BACKEND or"),
        ({"text": "aiconfigurator:h200_sxm/vlm"}, "did you mean vllm"),
        ({"text": "aiconfigurator:h200/vllm"}, "the system is 'h200'"),
    ],
)
def test_what_is_not_there_is_refused_by_name(
    package: SimpleNamespace, given: dict[str, str], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        profile(**given)  # type: ignore[arg-type]


def test_versions_can_be_named(package: SimpleNamespace) -> None:
    assert DatabaseName.parse("aiconfigurator:h200_sxm/vllm/0.27.0").version == "0.27.0"
    assert "vllm 0.27.0" in profile(text="aiconfigurator:h200_sxm/vllm/0.27.0", tps=(1,)).source
    assert "vllm 0.27.0" in profile(text="aiconfigurator:h200_sxm/vllm/next", tps=(1,)).source


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("aiconfigurator_core")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiconfigurator_core", None)
    aiconfigurator_profile.cache_clear()
    with pytest.raises(UnsupportedError, match=r"pip install 'pdplan\[aiconfigurator\]'$"):
        profile()
    with pytest.raises(ScenarioError, match=r"<test>:5: latency: .*pip install 'pdplan\[aiconfigurator\]'$"):
        plan(_scenario(), verify=False)


def _scenario(*overrides: str) -> Scenario:
    return parse_scenario(SCENARIO, "<test>", overrides)


def test_a_scenario_plans_on_it(package: SimpleNamespace) -> None:
    made = plan(_scenario(), verify=False)
    assert made.fleet.status == "met"
    assert made.fleet.decode.latency_source.startswith("AIConfigurator 9.9, h200_sxm vllm 0.24.0")


def test_step_times_of_another_accelerator_are_refused(package: SimpleNamespace) -> None:
    with pytest.raises(
        ScenarioError,
        match="step times of h200-sxm-141gb, not of h100-sxm-80gb: write aiconfigurator:h100_sxm/vllm",
    ):
        plan(_scenario("accelerator=h100-sxm-80gb"), verify=False)


def test_names_are_those_of_the_catalog() -> None:
    assert set(MODELS) <= set(catalog_names("architectures"))
    for names in SYSTEMS.values():
        assert [load_accelerator(n).name for n in names] == list(names)
    for name, (_, released, _) in MODELS.items():
        assert load_model(name).weights_dtype == released or name.endswith("-fp8")


def test_dips_are_levelled_and_short_models_are_asked_within_their_context() -> None:
    longest: list[int] = []

    def prefill_s(prompts: int, tokens: int, cached: int) -> float:
        longest.append(tokens + cached)
        return 0.004 if prompts * tokens > 30 else 0.005

    steps = database_steps(prefill_s, lambda b, _: 0.01 - 1e-6 * b, longest_tokens=2000, source="db")
    assert max(longest) <= 2000
    assert float(steps.prefill_step_s(500, 500**2)) == pytest.approx(0.005)
    assert float(steps.decode_step_s(100, 1e5)) == pytest.approx(0.009999)
    assert steps.prefill_range[1] == 2000


def test_attention_never_leaves_a_step_at_nothing() -> None:
    """All time is attention: 4096 tokens as 4096 prompts still take 10% of one prompt."""
    steps = database_steps(
        lambda k, n, c: 1e-9 * k * (n * n + 2 * n * c), lambda b, c: 0.01, longest_tokens=8192, source="db"
    )
    assert float(steps.prefill_step_s(4096, 4096.0)) >= 0.09 * float(steps.prefill_step_s(4096, 4096.0**2))


# ---------------------------------------------------------------- the package itself


@pytest.fixture(scope="module")
def real() -> aiconfigurator.LatencyProfile:
    pytest.importorskip("aiconfigurator_core", reason="pip install 'pdplan[aiconfigurator]'")
    aiconfigurator_profile.cache_clear()
    return profile()


def test_the_installed_database_answers(real: aiconfigurator.LatencyProfile) -> None:
    """A decode step reads 16.06 GB of weights at 4.8 TB/s at least: 3.35 ms; a prefill of 8192 tokens does
    2 x 8.03e9 x 8192 FLOP at 989 TFLOP/s at most: 133 ms. The database must lie above, and within twice that.
    """
    one = real.model(1)
    assert 3.35e-3 < float(one.decode_step_s(1, 128)) < 6.7e-3
    assert 0.133 < float(one.prefill_step_s(8192, 8192**2)) < 0.266
    assert real.degrees == ((1, 1), (2, 1), (4, 1))
    for faster, slower in ((2, 1), (4, 2)):
        more, less = real.model(faster), real.model(slower)
        for n in (1024, 8192, 32768):
            assert more.prefill_step_s(n, n**2) < less.prefill_step_s(n, n**2)
        assert more.decode_step_s(64, 64 * 2048) < less.decode_step_s(64, 64 * 2048)


def test_between_its_points_the_tables_follow_the_database(real: aiconfigurator.LatencyProfile) -> None:
    """Steps that were not asked for: within 6% of what the database says of them, 2% in the mean."""
    package = aiconfigurator._package()
    name = DatabaseName.parse("aiconfigurator:h200_sxm/vllm")
    with aiconfigurator._quietly():
        database, _ = aiconfigurator._database(package, name, "x")
        ask = aiconfigurator._questions(package, database, name, "llama-3.1-8b", "bf16", "bf16")
        errors = []
        for tp in (1, 4):
            prefill_s, decode_s = ask(tp)
            steps = real.model(tp)
            for k, n, c in (
                (1, 700, 0),
                (3, 1700, 0),
                (5, 500, 0),
                (1, 5500, 0),
                (1, 900, 2500),
                (2, 3000, 1000),
            ):
                shown = float(steps.prefill_step_s(k * n, k * ((n + c) ** 2 - c**2)))
                errors.append(shown / prefill_s(k, n, c) - 1)
            for b, ctx in ((3, 700), (24, 1500), (90, 3000), (220, 1200), (40, 12000)):
                errors.append(float(steps.decode_step_s(b, b * ctx)) / decode_s(b, ctx) - 1)
    assert np.abs(errors).max() < 0.06
    assert np.abs(errors).mean() < 0.02


def test_a_plan_on_the_installed_database(real: aiconfigurator.LatencyProfile) -> None:
    made = plan(_scenario(), verify=False)
    assert made.fleet.status == "met"
    assert "AIConfigurator" in str(made)
    with pytest.raises(ScenarioError, match="does not have mixtral-8x7b"):
        plan(_scenario("model=mixtral-8x7b"), verify=False)
