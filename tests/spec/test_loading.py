"""Wrong scenarios get one clear line: file, line, what, and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import EXIT_BAD_INPUT, PdplanError, ScenarioError
from pdplan.spec.loading import load_scenario, parse_scenario
from pdplan.spec.scenario import Scenario

BASE = """version: 1
model: llama-3.1-70b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
classes:
  - name: chat
    rate: 8 req/s
    workload: azure-conv-2023
    slo: {ttft: {p99: 2 s}, tpot: {p95: 50 ms}}
"""
SLO = "slo: {ttft: {p99: 2 s}, tpot: {p95: 50 ms}}"
LENGTHS = "workload: azure-conv-2023"

WRONG = {
    "empty": ("", "chat.yaml: empty"),
    "only a comment": ("# nothing\n", "chat.yaml: empty"),
    "a list": ("- 1", "chat.yaml:1: not a mapping"),
    "a number": ("12", "chat.yaml:1: not a mapping"),
    "broken YAML": ("a: [1,", "chat.yaml:2: not valid YAML"),
    "a tab": ("a:\n\tb: 1", "chat.yaml:2: not valid YAML"),
    "two documents": ("a: 1\n---\nb: 2", "not valid YAML"),
    "nested too deeply": ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    "a key twice": (BASE + "model: x\n", "chat.yaml:10: key 'model' is given twice"),
    "misspelt key": (
        BASE.replace("accelerator", "acclerator"),
        "3: unknown key 'acclerator'; did you mean accelerator?",
    ),
    "misspelt inner key": (
        BASE + "decode: {max_bach: 3}\n",
        "chat.yaml:10: unknown key 'max_bach' in decode; did you mean max_batch?",
    ),
    "misspelt objective": (
        BASE.replace("tpot:", "tpott:"),
        "unknown key 'tpott' in classes.chat.slo; did you mean tpot?",
    ),
    "missing field": (BASE.replace("version: 1\n", ""), "chat.yaml: version is missing"),
    "other version": (BASE.replace("version: 1", "version: 2"), "chat.yaml:1: version is 2"),
    "no unit": (BASE.replace("8 req/s", "8"), "chat.yaml:7: classes.chat.rate is 8 without a unit"),
    "wrong unit": (BASE.replace("8 req/s", "8 ms"), "'ms' is the unit of a time, not of a request rate"),
    "unknown unit": (BASE.replace("8 req/s", "8 rq/s"), "unknown unit 'rq/s'; did you mean req/s"),
    "bits for bytes": (BASE + "memory: {reserve: 4 Gb}\n", "memory.reserve is '4 Gb': unknown unit 'Gb'"),
    "negative": (BASE.replace("8 req/s", "-8 req/s"), "it must be greater than 0"),
    "zero": (BASE.replace("8 req/s", "0 req/s"), "classes.chat.rate is '0 req/s': it must be greater than 0"),
    "NaN": (BASE.replace("8 req/s", ".nan"), "it must be finite"),
    "infinite": (BASE.replace("8 req/s", "1e400 req/s"), "it must be finite"),
    "overflow with unit": (BASE.replace("8 req/s", "1e307 kreq/ms"), "too large"),
    "an integer beyond floats": (BASE.replace("8 req/s", "9" * 400), "(400 characters): it must be finite"),
    "a request in 300 years": (BASE.replace("8 req/s", "1e-10 req/s"), "it must lie between 1e-09 and 1e+09"),
    "more than the world asks": (
        BASE.replace("8 req/s", "1e10 req/s"),
        "it must lie between 1e-09 and 1e+09",
    ),
    "unknown key, nothing near": (BASE + "colour: red\n", "unknown key 'colour'; `pdplan schema` has"),
    "unknown key of few": (
        BASE + "node: {colour: red}\n",
        "'colour' in node; known: gpus, nics, whole_nodes",
    ),
    "a number for a name": (BASE.replace("h100-sxm-80gb", "100"), "accelerator is 100: it must be a text"),
    "a broken count": (BASE + "decode: {max_batch: 1e9}\n", "it must be a whole number"),
    "fraction above one": (BASE + "memory: {fraction: 1.2}\n", "memory.fraction is 1.2"),
    "zero length": (BASE.replace(LENGTHS, "prompt_tokens: 0\n    output_tokens: 5"), "at least 1 token"),
    "odd length form": (
        BASE.replace(LENGTHS, "prompt_tokens: {foo: 1}\n    output_tokens: 5"),
        "prompt_tokens is {'foo': 1}",
    ),
    "lengths twice": (BASE.replace(LENGTHS, LENGTHS + "\n    prompt_tokens: 12"), "both given: keep one"),
    "no lengths": (BASE.replace("    " + LENGTHS + "\n", ""), "lengths are missing"),
    "no classes": (
        BASE[: BASE.index("classes")] + "classes: []\n",
        "classes is an empty list: give at least 1",
    ),
    "empty classes": (BASE[: BASE.index("classes")] + "classes:\n", "classes is empty: it must be a list"),
    "a class that is a word": (
        BASE + "  - fast\n",
        "classes.1 is 'fast': it must be a mapping with name, rate",
    ),
    "class name twice": (
        BASE + "  - {name: chat, rate: 1 req/s, workload: x, slo: {ttft: {p99: 1 s}}}\n",
        "two classes",
    ),
    "no rate": (BASE.replace("    rate: 8 req/s\n", ""), "class chat has no rate"),
    "rate and total": (BASE + "total_tokens: 5 M tok/min\n", "has a rate and the scenario has total_tokens"),
    "statistic": (BASE.replace("p99", "q99"), "statistic 'q99' is not understood"),
    "percentile 100": (BASE.replace("p99", "p100"), "statistic 'p100' is not understood"),
    "no statistic": (BASE.replace("{p99: 2 s}", "2 s"), "ttft has no statistic"),
    "zero objective": (BASE.replace("p99: 2 s", "p99: 0 s"), "must be greater than 0"),
    "no objective": (BASE.replace(SLO, "slo: {}"), "no objective given"),
    "crossed percentiles": (BASE.replace("{p99: 2 s}", "{p50: 2 s, p99: 1 s}"), "cannot be smaller"),
    "half a joint objective": (
        BASE.replace(SLO, "slo: {attainment: 90%, ttft: 200 ms}"),
        "attainment is joint",
    ),
    "attainment 100%": (BASE.replace(SLO, "slo: {attainment: 100%, ttft: 1 s, tpot: 1 s}"), "ends excluded"),
    "unit twice": (
        BASE.replace("p99: 2 s", "p99: 2 s").replace("ttft:", "ttft_ms:"),
        "its unit is in the key",
    ),
    "no experts": (BASE + "prefill: {parallel: {ep: [0]}}\n", "a degree is a whole number from 1 to 1024"),
    "unknown router": (BASE + "prefill: {router: rr}\n", "prefill.router is 'rr': it must be"),
    "degree": (BASE + "prefill: {parallel: {tp: two}}\n", "prefill.parallel.tp is 'two'"),
    "no degrees": (BASE + "prefill: {parallel: {tp: []}}\n", "at least one degree"),
    "batch zero": (BASE + "decode: {max_batch: 0}\n", "decode.max_batch is 0"),
    "decode table": (
        BASE + "latency: {max_prefill: 5 tok/s, decode_table: {a: 1 ms, 2: 2 ms}}\n",
        "latency.decode_table.a",
    ),
    "one-row table": (
        BASE + "latency: {max_prefill: 5 tok/s, decode_table: {1: 1 ms}}\n",
        "at least 2 batch sizes",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_scenarios_get_one_clear_line(case: str) -> None:
    text, expected = WRONG[case]
    with pytest.raises(PdplanError) as caught:
        parse_scenario(text, "chat.yaml")
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert message.startswith("chat.yaml")
    assert caught.value.exit_code == EXIT_BAD_INPUT


def test_base_is_right() -> None:
    sc = parse_scenario(BASE)
    assert sc.classes[0].rate == 8.0
    assert [str(t) for t in sc.classes[0].slo.targets] == ["ttft p99 <= 2 s", "tpot p95 <= 50 ms"]


def test_units_may_stand_in_the_key() -> None:
    text = BASE.replace(SLO, "slo: {ttft_ms: {p99: 2000}, tpot_ms: {p95: 50}}").replace(
        "rate: 8 req/s", "rate_req_per_min: 480"
    )
    assert parse_scenario(text).model_dump() == parse_scenario(BASE).model_dump()


def test_classes_may_be_a_mapping() -> None:
    text = BASE.replace("  - name: chat\n", "  chat:\n")
    assert parse_scenario(text).model_dump() == parse_scenario(BASE).model_dump()


def test_scenario_survives_the_round_trip() -> None:
    sc = parse_scenario(BASE + "fleet: {prefill: {count: 2, tp: 4}, decode: {count: 3}}\n")
    again = Scenario.model_validate_json(sc.model_dump_json(exclude_none=True))
    assert again.model_dump() == sc.model_dump()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("classes.chat.rate=10 req/s", 10.0),
        ("classes.0.rate=11 req/s", 11.0),
        ("classes.chat.rate_req_per_s=12", 12.0),
    ],
)
def test_set_overrides(setting: str, expected: float) -> None:
    assert parse_scenario(BASE, overrides=[setting]).classes[0].rate == expected


def test_set_reaches_what_was_not_written() -> None:
    assert parse_scenario(BASE, overrides=["prefill.parallel.tp=[2]"]).prefill.parallel.tp == (2,)


@pytest.mark.parametrize(
    "setting",
    [
        "classes.chat",
        "=1",
        "classes.dog.rate=1 req/s",
        "model.x=1",
        "classes.chat=1",
        "a=[",
        "nope=1",
        "name=2024-13-45",  # a date that is none
        "name=" + "9" * 5000,  # more digits than Python reads
        "name=" + "[" * 3000,
        "classes=&a [*a]",
    ],
    ids=lambda setting: setting[:20],
)
def test_wrong_overrides(setting: str) -> None:
    with pytest.raises(ScenarioError, match=r"^.{1,300}$"):
        parse_scenario(BASE, overrides=[setting])


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * (4 * 2**20 + 1)])
def test_files_that_are_no_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError):
        load_scenario(str(path))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ScenarioError, match="scenario file"):
            load_scenario(str(path))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_scenario_or_a_clear_line(text: str) -> None:
    try:
        parse_scenario(text)
    except PdplanError as error:
        assert "\n" not in str(error)


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(
        [
            "model",
            "classes",
            "latency",
            "prefill",
            "decode",
            "memory",
            "node",
            "total_tokens",
            "version",
            "fleet",
        ]
    ),
)
def test_any_value_of_any_field_is_taken_or_refused(value: object, field: str) -> None:
    import yaml

    document = yaml.safe_load(BASE) | {field: value}
    try:
        parse_scenario(yaml.safe_dump(document))
    except PdplanError as error:
        assert "\n" not in str(error)
