"""A server of its own for each module that needs one, and a browser without a window."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of ``pdplan serve``, its workers warm."""
    if find_spec("nicegui") is None:
        pytest.skip("the extra web is not installed: pip install -e '.[browser]'")
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [sys.executable, "-m", "pdplan", "serve", "--port", "0"]
    with log.open("w") as out:
        process = subprocess.Popen(command, stderr=out, stdout=out, cwd=log.parent, env=dict(os.environ))
    try:
        address = _address(process, log)
        _warm(address)
        yield address
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in log.read_text(), log.read_text()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(300):
        found = re.search(r"page is at (http://\S+)", log.read_text())
        if found:
            return found[1].rstrip("/")
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)
    raise AssertionError(f"no server after a minute: {log.read_text()}")


def _warm(address: str) -> None:
    """Wait until a worker has answered: the engine may have to be compiled first."""
    text = (Path(__file__).parents[2] / "scenarios" / "chat-70b.yaml").read_bytes()
    request = urllib.request.Request(f"{address}/api/plan?requests=1000&brief=true", data=text, method="POST")
    with urllib.request.urlopen(request, timeout=180) as answer:
        assert answer.status == 200


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    if find_spec("playwright") is None:
        pytest.skip("playwright is not installed: pip install -e '.[browser]'")
    if not CHROMIUM:
        pytest.skip("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    assert shutil.which(CHROMIUM)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()
