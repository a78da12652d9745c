"""What people take away: scenario, plan, report, manifests."""

from __future__ import annotations

import io
import zipfile
from typing import Any, Final

from nicegui import Client

from pdplan.web.elements import button, choice, tag
from pdplan.web.session import Session
from pdplan.web.text import scenario_yaml

TARGETS: Final = ("vllm", "sglang", "dynamo", "llm-d", "llmservingsim")


class Exports:
    """The buttons that download."""

    def __init__(self, session: Session, client: Client) -> None:
        self._session = session
        self._client = client
        self._target = TARGETS[0]

    def draw(self) -> None:
        """Lay out the buttons."""
        with tag("div", kind="row exports"):
            button(
                "Scenario", self._scenario, "quiet", aria_label="Download the scenario", id="export-scenario"
            )
            button("Plan", lambda: self._run(self._plan()), "quiet", aria_label="Download the plan as JSON")
            button("Report", lambda: self._run(self._report()), "quiet", aria_label="Download the report")
            choice("Manifests for", [(t, t) for t in TARGETS], self._target, self._set_target)
            button(
                "Manifests", lambda: self._run(self._manifests()), "quiet", aria_label="Download manifests"
            )

    def _set_target(self, target: str) -> None:
        self._target = target if target in TARGETS else TARGETS[0]

    def _run(self, work: Any) -> None:
        self._session.run("export", work)

    def _scenario(self) -> None:
        self._send(scenario_yaml(self._session.document).encode(), "scenario.yaml", "application/yaml")

    async def _plan(self) -> None:
        text = await self._session.ask("plan_json", *self._question(), 0)
        if text is not None:
            self._send(text.encode(), "plan.json", "application/json")

    async def _report(self) -> None:
        page = await self._session.ask("report_page", *self._question(), 0)
        if page is not None:
            self._send(page.encode(), "plan.html", "text/html")

    async def _manifests(self) -> None:
        target = self._target
        files = await self._session.ask("manifests", *self._question(), target)
        if files is None:
            return
        if len(files) == 1:
            name, text = files[0]
            self._send(text.encode(), name, "text/plain")
            return
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files:
                archive.writestr(name, text)
        self._send(packed.getvalue(), f"{target}.zip", "application/zip")

    def _question(self) -> tuple[str, str]:
        return self._session.text, self._session.uploads

    def _send(self, data: bytes, name: str, media: str) -> None:
        self._client.download(data, name, media)
