"""An HTML page as a machine meets it: its ids, headings, links, images and forms. No JavaScript is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

from .wire import FORM, Response


@dataclass
class Control:
    """An input, select, textarea or button of a form."""

    tag: str
    attributes: dict[str, str]
    value: str

    @property
    def id(self) -> str:
        """Its id, or nothing."""
        return self.attributes.get("id", "")

    @property
    def name(self) -> str:
        """The name it is sent under, or nothing."""
        return self.attributes.get("name", "")

    @property
    def kind(self) -> str:
        """Its `type`, with HTML's default."""
        return self.attributes.get("type", "submit" if self.tag == "button" else "text").lower()


@dataclass
class Form:
    """A form with its controls."""

    attributes: dict[str, str]
    controls: list[Control] = field(default_factory=list)
    base: str = ""

    @property
    def id(self) -> str:
        """Its id, or nothing."""
        return self.attributes.get("id", "")

    @property
    def method(self) -> str:
        """GET or POST."""
        return self.attributes.get("method", "get").upper()

    @property
    def enctype(self) -> str:
        """How a browser would encode it."""
        return self.attributes.get("enctype", FORM).lower()

    @property
    def action(self) -> str:
        """Where it goes, as an absolute URL."""
        return urljoin(self.base, self.attributes.get("action", ""))

    def control(self, key: str) -> Control | None:
        """The control with that id or name."""
        return next((c for c in self.controls if key in (c.id, c.name)), None)

    def pairs(self, button: Control | None = None, fill: dict[str, str] | None = None) -> list[tuple[str, str]]:
        """What is sent when the form is submitted by a button, after typing `fill` (by id or name)."""
        fill = dict(fill or {})
        sent: list[tuple[str, str]] = []
        for control in self.controls:
            if not control.name or "disabled" in control.attributes or control.kind in ("submit", "button", "reset", "image"):
                if control is button and control.name:
                    sent.append((control.name, control.value))
                continue
            if control.kind in ("checkbox", "radio") and "checked" not in control.attributes:
                if fill.get(control.name) != control.value:
                    continue
            typed = next((fill[key] for key in (control.id, control.name) if key and key in fill), None)
            sent.append((control.name, control.value if typed is None else typed))
        return sent


class Page:
    """An answer that is shown to a person."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.url = response.url
        self.status = response.status
        reader = _Reader(response.url)
        if response.media_type in ("text/html", "application/xhtml+xml"):
            reader.feed(response.text)
            reader.close()
        self.forms = reader.forms
        self.ids = reader.ids
        self.headings = [" ".join(text.split()) for text in reader.headings]
        self.title = " ".join(reader.title.split())
        self.links = [urljoin(response.url, link) for link in reader.links]
        self.images = [urljoin(response.url, image) for image in reader.images]
        self.scripts = reader.scripts
        self.inline = reader.inline
        self.text = " ".join(reader.text.split())

    def has(self, wanted: str, tag: str | None = None) -> bool:
        """Whether an element with that id (and tag) stands on the page."""
        return wanted in self.ids and (tag is None or self.ids[wanted] == tag)

    def form(self, form_id: str) -> Form | None:
        """The form with that id."""
        return next((f for f in self.forms if f.id == form_id), None)

    def button(self, button_id: str) -> tuple[Form, Control] | None:
        """The button with that id, and the form it submits."""
        for form in self.forms:
            for control in form.controls:
                if control.id == button_id:
                    return form, control
        return None

    def describe(self) -> str:
        """A short line for a failed check."""
        heading = self.headings[0] if self.headings else self.title
        return f"{self.status} {heading!r} at {self.url.split('?')[0]}: {self.text[:160]!r}"


class _Reader(HTMLParser):
    """Collects what `Page` offers."""

    VOID = {"input", "img", "br", "hr", "meta", "link"}

    def __init__(self, base: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base = base
        self.forms: list[Form] = []
        self.ids: dict[str, str] = {}
        self.headings: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.scripts: list[dict[str, str]] = []
        self.inline: list[str] = []
        self.title = ""
        self.text = ""
        self._form: Form | None = None
        self._stack: list[str] = []
        self._textarea: Control | None = None
        self._select: Control | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if said.get("id"):
            self.ids.setdefault(said["id"], tag)
        if "style" in said:
            self.inline.append(f"style attribute on <{tag}>")
        self.inline.extend(f"{name} attribute on <{tag}>" for name in said if name.startswith("on"))
        if tag not in self.VOID:
            self._stack.append(tag)
        if tag == "form":
            self._form = Form(said, base=self.base)
            self.forms.append(self._form)
        elif tag in ("input", "button", "select", "textarea"):
            control = Control(tag, said, said.get("value", "on" if said.get("type") in ("checkbox", "radio") else ""))
            owner = self._owner(said.get("form"))
            if owner:
                owner.controls.append(control)
            self._textarea = control if tag == "textarea" else self._textarea
            self._select = control if tag == "select" else self._select
        elif tag == "option" and self._select is not None:
            if not self._select.value or "selected" in said:
                self._select.value = said.get("value", "")
        elif tag in ("h1", "h2"):
            self.headings.append("")
        elif tag == "a" and "href" in said:
            self.links.append(said["href"])
        elif tag == "img" and "src" in said:
            self.images.append(said["src"])
        elif tag == "script":
            self.scripts.append(said)

    def _owner(self, form_id: str | None) -> Form | None:
        if form_id:
            return next((f for f in self.forms if f.id == form_id), None)
        return self._form

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._textarea = None
        elif tag == "select":
            self._select = None
        if tag in self._stack:
            while self._stack.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        within = set(self._stack)
        if "script" in within or "style" in within:
            if data.strip():
                self.inline.append(f"inline <{self._stack[-1]}>")
            return
        if "title" in within:
            self.title += data
            return
        if within & {"h1", "h2"} and self.headings:
            self.headings[-1] += data
        if self._textarea is not None:
            self._textarea.value += data
        self.text += data + " "
