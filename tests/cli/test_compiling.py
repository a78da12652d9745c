"""Before the engine is compiled people are told, once, and at a terminal they have something to read."""

from __future__ import annotations

import sys

import pytest

from pdplan.cli import compiling

SAID = "pdplan: compiling the engine, once on this machine (10 to 20 s) ...\n"


@pytest.mark.parametrize(
    ("ready", "kernels", "said"),
    [
        ({"kernel_pd"}, (), ""),
        (set(), (), SAID),
        ({"kernel_pd"}, ("kernel_colocated",), SAID),
        ({"kernel_pd"}, ("kernel_pd", "kernel_colocated"), SAID),
        ({"kernel_pd", "kernel_colocated"}, ("kernel_pd", "kernel_colocated"), ""),
    ],
)
def test_what_is_not_compiled_is_announced(
    ready: set[str],
    kernels: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiling, "is_compiled", ready.__contains__)
    compiling.announce_compiling(*kernels, meanwhile=lambda: "the answer by formulas")
    assert capsys.readouterr().err == said
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    compiling.announce_compiling(*kernels, meanwhile=lambda: "the answer by formulas")
    assert capsys.readouterr().err == ("the answer by formulas\n" + said if said else "")
