"""What strangers send: files of the server are never read, bombs never built, messages are one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.spec.builtin import BUILTIN
from pdplan.web.address import MAX_BYTES, MAX_CHARACTERS, packed, unpacked
from pdplan.web.guard import check_text, one_line, plain_name, read_scenario

LENGTHS = "workload: azure-conv-2023"


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_scenario(text)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_an_honest_scenario_passes() -> None:
    assert read_scenario(BUILTIN).model == "llama-3.1-70b"


def test_an_alias_with_a_slash_is_a_name() -> None:
    text = BUILTIN.replace("model: llama-3.1-70b", "model: meta-llama/Llama-3.1-70B-Instruct")
    assert read_scenario(text).model.startswith("meta-llama")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model: llama-3.1-70b", "model: /etc/passwd"),
        ("model: llama-3.1-70b", "model: ../../config.json"),
        ("model: llama-3.1-70b", "model: config.json"),
        ("link: ib-ndr-400g", "link: ib-ndr-400g\nlatency: /etc/hostname.yaml"),
        ("link: ib-ndr-400g", "link: ib-ndr-400g\nlatency: profile.yaml"),
        ("link: ib-ndr-400g", "link: ib-ndr-400g\nlatency: aiconfigurator:h100_sxm/vllm"),
        (LENGTHS, "workload: /etc/passwd"),
        (LENGTHS, "workload: requests.csv"),
        (LENGTHS, "prompt_tokens: {trace: /etc/passwd}\n    output_tokens: {trace: /etc/passwd}"),
        ("rate: 8 req/s", "rate: {trace: /etc/passwd}"),
        ("rate: 8 req/s", "rate: {trace: /proc/self/environ, plan_for: mean}"),
    ],
)
def test_a_file_of_the_server_is_never_read(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("config.json", "profile.yaml", "requests.csv"):  # there they are, and still refused
        (tmp_path / name).write_text("{}")
    monkeypatch.chdir(tmp_path)
    line = refused(BUILTIN.replace(old, new))
    assert "not read" in line


def test_an_uploaded_file_may_be_named() -> None:
    text = BUILTIN + "latency: mine.yaml\n"
    assert read_scenario(text, files={"mine.yaml"}).latency == "mine.yaml"
    assert "not read" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 50_000,
        "- " * 100_000,
        "? " * 50_000,
        "\n".join(" " * i + f"k{i}:" for i in range(200)),
    ],
)
def test_deep_nesting_is_refused_without_being_built(text: str) -> None:
    assert "nested too deeply" in refused(text)


def test_aliases_are_refused() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}]\n" for i in range(20))
    assert "aliases" in refused(bomb)


def test_very_many_values_are_refused() -> None:
    assert "values" in refused("classes: [" + "1," * 100_000 + "1]")


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        "model: !!python/name:os.system",
        "key: [unclosed",
        "\x00\x01\x02",
        "version: 1\nmodel: {{7*7}}",
        "just words",
        "null",
        "[1, 2]",
    ],
)
def test_what_is_no_scenario_is_refused_in_one_line(text: str) -> None:
    refused(text)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_scenario(text)
    except InputError as error:
        assert error.exit_code == 2


@given(st.text(max_size=2000))
def test_a_message_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 500


@given(st.text(max_size=200))
def test_a_name_is_no_path(name: str) -> None:
    plain = plain_name(name)
    assert plain
    assert not set(plain) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not plain.startswith(".")
    assert len(plain) <= 80


def test_checking_text_leaves_what_is_not_yaml_to_the_reader() -> None:
    check_text("key: [unclosed")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_an_address_gives_back_its_scenario(document: dict[str, object]) -> None:
    assert unpacked(packed(document)) == document


@given(st.text(max_size=300))
def test_any_address_is_read_or_refused(state: str) -> None:
    try:
        assert isinstance(unpacked(state), dict)
    except InputError as error:
        assert "address" in str(error)


def test_an_address_does_not_unpack_to_more_than_a_scenario() -> None:
    bomb = packed({"a": "x" * (MAX_BYTES + 1)})
    assert len(bomb) < MAX_CHARACTERS
    with pytest.raises(InputError, match="128 KiB"):
        unpacked(bomb)
    with pytest.raises(InputError, match="characters"):
        unpacked("A" * (MAX_CHARACTERS + 1))


def test_an_address_that_was_cut_off_says_so() -> None:
    whole = packed({"version": 1, "model": "llama-3.1-70b", "link": "ib-ndr-400g"})
    with pytest.raises(InputError, match="cut off"):
        unpacked(whole[:20])
