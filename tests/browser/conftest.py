"""Debian's Chromium, headless: one for all tests of a worker, and a fresh profile for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from dedupaudit.model import Report
from tests.reports.parsing import rendered


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a running browser; where none is installed, the tests fail: a skip would look like a pass."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Chromium is not installed: apt-get install chromium")
    # Its sandbox refuses to run as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=arguments)
        yield started
        started.close()


@dataclass
class Opened:
    """A page, and all that it complained of or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Return a function that renders a report and opens it as a file, as a person would."""
    contexts: list[BrowserContext] = []

    def opened(report: Report, link: str = "", width: int = 1280, **settings: Any) -> Opened:
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_text(rendered(report, "html"), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        made = Opened(page)
        page.on("console", lambda message: made.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: made.complaints.append(str(error)))
        page.on("request", lambda request: made.requests.append(request.url))
        page.goto(path.as_uri() + link)
        return made

    yield opened
    for context in contexts:
        context.close()
