"""Plain elements of HTML on the page: native controls, which keyboards, screen readers and phones know."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from pdplan.errors import InputError
from pdplan.web.scales import STEPS, Scale

Element = ui.element
#: Sends the value of a native control.
_VALUE = "(e) => emit(e.target.value)"


def tag(name: str, words: str = "", kind: str = "", **attributes: Any) -> Element:
    """Return an element with words in it; ``aria_label`` becomes ``aria-label``."""
    made = TextElement(tag=name, text=words) if words else ui.element(name)
    _dress(made, kind, attributes)
    return made


def label(name: str, words: str = "", kind: str = "", **attributes: Any) -> TextElement:
    """Return an element whose words change (``set_text``)."""
    made = TextElement(tag=name, text=words)
    _dress(made, kind, attributes)
    return made


def _dress(made: Element, kind: str, attributes: dict[str, Any]) -> None:
    if kind:
        made.classes(kind)
    for key, value in attributes.items():
        made.props[key.strip("_").replace("_", "-")] = value


def button(words: str, on_click: Callable[[], Any], kind: str = "", **attributes: Any) -> TextElement:
    """Return a button."""
    made = label("button", words, kind, type="button", **attributes)
    made.on("click", lambda _: on_click())
    return made


def choice(
    words: str, options: Sequence[tuple[str, str]], value: str, on_change: Callable[[str], Any]
) -> Element:
    """Return a labelled drop-down of (value, words)."""
    with tag("label", kind="choice"):
        tag("span", words, aria_hidden="true")
        made = tag("select", aria_label=words)
        with made:
            for key, shown in options:
                option = tag("option", shown, value=key)
                if key == value:
                    option.props["selected"] = True

    made.on("change", lambda event: on_change(str(event.args)), js_handler=_VALUE)
    return made


def set_value(control: Element, value: str | float) -> None:
    """Show a value in a native control.

    Not by a property: those are written again with whatever else changes, over what is being typed.
    """
    control.client.run_javascript(f"const e = getElement({control.id}); if (e) e.value = {json.dumps(value)}")


def set_attribute(control: Element, name: str, value: str) -> None:
    """Set an attribute on the page alone: a property would have the whole page looked through for changes."""
    script = (
        f"const e = getElement({control.id}); if (e) e.setAttribute({json.dumps(name)}, {json.dumps(value)})"
    )
    control.client.run_javascript(script)


class Slider:
    """A labelled slider with its value beside it, which may be typed instead.

    Parameters
    ----------
    words : str
        Label.
    scale : Scale
    value : float or None
        In SI; None: not known yet.
    on_value : callable
        Called with the new value [SI].
    on_wrong : callable
        Called with a message about what was typed.
    """

    def __init__(
        self,
        words: str,
        scale: Scale,
        value: float | None,
        on_value: Callable[[float], Any],
        on_wrong: Callable[[str], Any],
        key: str = "",
    ) -> None:
        self.scale = scale
        self._on_value = on_value
        self._on_wrong = on_wrong
        with tag("div", kind="slider"):
            tag("span", words, "name", aria_hidden="true")
            self._typed = tag(
                "input", kind="typed", type="text", aria_label=f"{words}, typed", spellcheck="false"
            )
            self._range = tag(
                "input",
                type="range",
                min=0,
                max=STEPS,
                step=1,
                aria_label=words,
                **({"id": key} if key else {}),
            )
        self._range.on("input", self._moved, js_handler=_VALUE, throttle=0.02)
        self._typed.on("change", self._written, js_handler=_VALUE)
        self.value = value
        self.show(value)

    def show(self, value: float | None) -> None:
        """Show a value that came from elsewhere."""
        self.value = value
        position = STEPS // 2 if value is None else self.scale.position(value)
        self._range.props["^value"] = position  # where it stands before the page is connected
        self._say()
        self._range.update()
        set_value(self._range, position)

    def _say(self) -> None:
        shown = "" if self.value is None else self.scale.shown(self.value)
        set_value(self._typed, shown)
        set_attribute(self._range, "aria-valuetext", shown)

    def _moved(self, event: Any) -> None:
        """Take a position; the slider itself is already there."""
        self.value = self.scale.value(min(max(int(float(event.args)), 0), STEPS))
        self._say()
        self._on_value(self.value)

    def _written(self, event: Any) -> None:
        try:
            value = self.scale.parsed(str(event.args))
        except InputError as error:
            self._on_wrong(str(error))
            self.show(self.value)
            return
        self.show(value)
        self._on_value(value)
