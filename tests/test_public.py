"""The public surface is a sorted list, and importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pdplan


def test_surface_is_sorted_and_real() -> None:
    assert pdplan.__all__ == sorted(pdplan.__all__)
    for name in pdplan.__all__:
        assert getattr(pdplan, name) is not None
    with pytest.raises(AttributeError):
        _ = pdplan.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "package", ["queueing", "latency", "serving", "workload", "spec", "planner", "sim", "interop", "symbolic"]
)
def test_package_surfaces_are_real(package: str) -> None:
    module = __import__(f"pdplan.{package}", fromlist=["x"])
    names = getattr(module, "__all__", [])
    for name in names:
        assert hasattr(module, name)


RUN = "import contextlib; from pdplan.cli import main\nwith contextlib.suppress(SystemExit): main({!r})"
HEAVY = ("sympy", "matplotlib", "nicegui", "numba", "scipy.stats", "scipy.optimize")


@pytest.mark.parametrize(
    ("code", "banned"),
    [
        ("import pdplan", ("numpy", "scipy", "pydantic", *HEAVY)),
        (RUN.format(["--help"]), ("numpy", "pydantic", *HEAVY)),
        (RUN.format(["plan", "--no-verify"]), ("scipy", *HEAVY)),
    ],
    ids=["import", "help", "plan"],
)
def test_start_up_imports_only_what_it_needs(code: str, banned: tuple[str, ...]) -> None:
    check = (
        f"{code}\nimport sys\nheavy = [m for m in {banned!r} if m in sys.modules]\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
