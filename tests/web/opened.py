"""The page as somebody has it open: what it asked for, what it said in its console."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
#: Longest that anything but a slider may take here [ms]: machines that test are busy.
PATIENCE = 60_000


class Opened:
    """One open page."""

    def __init__(
        self, browser: Any, address: str, *, size: dict[str, int] = WIDE, dark: bool = False
    ) -> None:
        self.address = address
        self.context = browser.new_context(
            viewport=size, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda r: self.asked.append(r.url))
        self.page.on("websocket", lambda w: self.asked.append(w.url))
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.goto(address)
        self.settled()

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def settled(self) -> None:
        """Wait for the full answer."""
        self.page.wait_for_selector('#answer[data-settled="true"]')

    def words(self) -> str:
        """The answer on top."""
        return str(self.page.inner_text("#answer"))

    def elsewhere(self) -> list[str]:
        """What was asked of another host."""
        own = urlsplit(self.address).netloc
        return [u for u in self.asked if urlsplit(u).netloc != own and not u.startswith(("data:", "blob:"))]

    def press(self, slider: str, key: str, times: int = 1) -> None:
        """Move a slider by keys, as a person without a mouse does."""
        self.page.focus(f"#{slider}")
        for _ in range(times):
            self.page.keyboard.press(key)

    def changed(self, slider: str, key: str, times: int = 1) -> None:
        """Move a slider and wait for the full answer to that."""
        before = self.revision()
        self.press(slider, key, times)
        self.page.wait_for_function(
            "(n) => +document.querySelector('#answer').dataset.revision > n", arg=before
        )
        seen = -1
        while seen != self.revision():  # moves in quick succession are one or several revisions
            seen = self.revision()
            self.page.wait_for_timeout(500)
            self.settled()

    def revision(self) -> int:
        """Number of the answer shown."""
        return int(self.page.get_attribute("#answer", "data-revision"))

    def close(self) -> None:
        """Leave."""
        self.context.close()
