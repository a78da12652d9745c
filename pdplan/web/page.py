"""The page: it lays out controls and panels, and joins them to a session."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from nicegui import Client, ui
from starlette.requests import Request

from pdplan.errors import PdplanError
from pdplan.web import words
from pdplan.web.address import unpacked
from pdplan.web.controls import Controls
from pdplan.web.elements import button, label, set_value, tag
from pdplan.web.exports import Exports
from pdplan.web.files import Files
from pdplan.web.guard import one_line, read_scenario
from pdplan.web.limits import Limits
from pdplan.web.panels import Block, Panels
from pdplan.web.pool import Pool
from pdplan.web.session import Service, Session, View
from pdplan.web.state import Document, document_of, first_document, with_value
from pdplan.web.text import scenario_yaml

_STATIC: Final = Path(__file__).parent / "static"
_THEMES: Final = {"auto": "null", "dark": "true", "light": "false"}


def add_page(app: FastAPI, quick: Pool, deep: Pool, uploads: str, limits: Limits) -> None:
    """Put the page at ``/`` of an application."""
    service = Service(quick, deep, uploads, limits)
    files = Files(limits)
    app.router.routes.append(files.route())
    open_pages: set[str] = set()

    def index(request: Request, client: Client) -> None:
        style = (_STATIC / "page.css").read_text(encoding="utf-8")
        ui.add_head_html(f"<style>{style}</style>")
        if len(open_pages) >= limits.pages:
            tag(
                "p",
                f"This server has {limits.pages} pages open, which is all it gives: close one, and reload.",
            )
            return
        open_pages.add(client.id)
        page = Page(service, files, client, request.query_params.get("s", ""))
        page.draw()

        def leave() -> None:
            open_pages.discard(client.id)
            page.close()

        client.on_delete(leave)

    ui.page("/", title="pdplan")(index)
    icon = (_STATIC / "icon.svg").read_text(encoding="utf-8")
    ui.run_with(
        app,
        title="pdplan",
        favicon=icon,
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
    )


class Page(View):
    """One open page."""

    def __init__(self, service: Service, files: Files, client: Client, state: str) -> None:
        self._service = service
        self._files = files
        self._client = client
        document, self._complaint = self._restored(state)
        self._session = Session(service, document, self)
        self._panels = Panels()
        self._controls = Controls(lambda: self._session.document, self._put, self.show_error)
        self._exports = Exports(self._session, client)
        self._token = files.open(self._take)
        self._typed = ""
        self._named = "auto"
        self._is_verified = False

    def close(self) -> None:
        """The page is gone."""
        self._session.close()
        self._files.close(self._token)

    def _restored(self, state: str) -> tuple[Document, str]:
        """Return the scenario of an address, or the built-in one and a complaint."""
        if not state:
            return first_document(), ""
        try:
            return self._checked(scenario_yaml(unpacked(state))), ""
        except PdplanError as error:
            return first_document(), f"{one_line(error)}; this is the built-in example"

    def _checked(self, text: str) -> Document:
        """Return a scenario that somebody wrote, in the form that controls take.

        Raises
        ------
        InputError
            Not a scenario, or one that names files.
        """
        names = [p.name for p in Path(self._service.uploads).iterdir()]
        return document_of(read_scenario(text, files=names))

    # ---------------------------------------------------------------- layout

    def draw(self) -> None:
        """Lay out the page and begin."""
        with tag("header", kind="bar"):
            tag("span", "pdplan", "wordmark")
            tag("span", "prefill and decode, sized to percentiles", "tagline")
            self._theme = button("Theme: auto", self._next_theme, "quiet")
        with tag("main", kind="grid"):
            self._panels.draw_top()
            with tag("form", kind="controls", aria_label="what is asked", autocomplete="off") as form:
                form.on("submit", js_handler="(e) => e.preventDefault()")
                self._error = Block("error-place", "error")
                self._controls.draw()
                self._draw_text()
            with tag("div", kind="charts"):
                self._panels.draw_objectives()
                self._draw_actions()
                self._panels.draw(self._session.map_of)
        if self._complaint:
            self.show_error(self._complaint)
        self._session.start()

    def _draw_text(self) -> None:
        """Lay out the scenario as text, for whatever has no control."""
        with tag("details"):
            tag("summary", "Scenario as text")
            self._text = tag("textarea", rows=14, spellcheck="false", aria_label="scenario as YAML")
            self._text.on("change", self._type, js_handler="(e) => emit(e.target.value)")
            button("Apply", self._apply, "quiet")
        self._show_text()

    def _draw_actions(self) -> None:
        """Lay out what one may do with the answer: check it, feed it, take it away."""
        with tag("section", kind="panel actions", aria_label="check, upload, export"):
            with tag("div", kind="row"):
                self._verify = button("Verify by simulation", self._begin_verify, "primary", id="verify")
                self._progress = tag("progress", max=1, value=0, aria_label="progress of the simulation")
                self._progress.set_visibility(False)
                self._status = label("span", kind="status-line", role="status")
            self._checked_by = Block("", "verification", scrolls="verification")
            with tag("div", kind="row"):
                self._upload("Upload a trace", "trace", ".csv,.jsonl,.json,.gz")
                self._upload("Upload a benchmark", "benchmark", ".json,.jsonl,.csv,.npz,.yaml")
                self._exports.draw()

    def _upload(self, label: str, kind: str, accept: str) -> None:
        with tag("label", kind="file"):
            tag("span", label)
            chosen = tag("input", type="file", accept=accept, id=f"upload-{kind}")
        chosen.on(
            "change",
            js_handler=(
                "async (e) => { const f = e.target.files[0]; if (!f) return; "
                f"await fetch('/upload/{self._token}/{kind}?name=' + encodeURIComponent(f.name), "
                "{method: 'POST', body: f}); e.target.value = ''; }"
            ),
        )

    # ---------------------------------------------------------------- what the session tells

    def show(self, answer: dict[str, Any], revision: int, *, settled: bool) -> None:
        """Show an answer."""
        self._panels.show(answer, revision, settled=settled)
        if answer["feasible"]:
            self._controls.show_lengths(answer["fleet"]["classes"])
        if not settled and self._is_verified:
            self._is_verified = False
            self._checked_by.show("")
            self._status_words("")

    def show_map(self, drawn: dict[str, Any] | None) -> None:
        """Show the map of verdicts."""
        self._panels.show_map(drawn)

    def show_frontier(self, found: dict[str, Any] | None, answer: dict[str, Any]) -> None:
        """Show the frontier."""
        self._panels.show_frontier(found, answer)

    def show_error(self, line: str) -> None:
        """Show one line, or take it away."""
        self._error.show(f'<p class="error" role="alert">{escape(line)}</p>' if line else "")

    def show_address(self, query: str) -> None:
        """Put the state into the address, and into the text."""
        self._show_text()
        self._client.run_javascript(f"history.replaceState(null, '', '/{query}')")

    # ---------------------------------------------------------------- what people do

    def _put(self, document: Document, draw_again: bool) -> None:
        self._session.change(document)
        if draw_again:
            self._controls.draw()

    def _show_text(self) -> None:
        self._typed = scenario_yaml(self._session.document)
        set_value(self._text, self._typed)

    def _type(self, event: Any) -> None:
        self._typed = str(event.args)[: self._service.limits.body_bytes]

    def _apply(self) -> None:
        try:
            document = self._checked(self._typed)
        except PdplanError as error:
            self.show_error(one_line(error))
            return
        self._put(document, True)

    def _next_theme(self) -> None:
        names = list(_THEMES)
        self._named = names[(names.index(self._named) + 1) % len(names)]
        self._client.run_javascript(f"setDark({_THEMES[self._named]})")
        self._theme.set_text(f"Theme: {self._named}")

    def _begin_verify(self) -> None:
        self._session.run("verify", self._verified())

    async def _verified(self) -> None:
        """Check by simulation, with progress."""
        self._progress.set_visibility(True)
        self._verify.props["disabled"] = True
        self._verify.update()
        try:
            answer = await self._session.verify(self._show_progress)
        finally:
            self._progress.set_visibility(False)
            self._verify.props.pop("disabled", None)
            self._verify.update()
        if answer is not None and answer["feasible"]:
            self._is_verified = True
            self._checked_by.show(words.verification(answer))
            self._status_words("simulated" if answer.get("simulated") else "not simulated")

    def _show_progress(self, told: tuple[str, float]) -> None:
        what, share = told
        self._status_words(what)
        self._progress.props["value"] = round(share, 3)
        self._progress.update()

    def _status_words(self, text: str) -> None:
        self._status.set_text(text)

    async def _take(self, kind: str, name: str, data: bytes) -> None:
        """Take an uploaded file: a trace for the first class, a benchmark for the step times."""
        document = self._session.document
        self._status_words(f"reading {name}")
        if kind == "trace":
            found = await self._session.ask("read_trace", data, name)
            if found is not None:
                for key in ("workload", "length_correlation", "share"):
                    document = with_value(document, ("classes", 0, key), None)
                for key, value in found["fields"].items():
                    document = with_value(document, ("classes", 0, key), value)
        else:
            model, accelerator = document["model"], document["accelerator"]
            found = await self._session.ask(
                "read_benchmark", data, name, model, accelerator, self._service.uploads
            )
            if found is not None:
                document = with_value(document, ("latency",), found["latency"])
        if found is None:
            self._status_words("")
            return
        with self._client:
            self._put(document, True)
        self._status_words(found["words"])
