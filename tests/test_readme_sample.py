"""The samples of the README and of docs/audit.md are what the commands really print."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import Run

ROOT = Path(__file__).parent.parent
SAMPLE = r"<!-- sample: dedupaudit {} -->\n```\n(.*?)```\n<!-- end of sample -->"


def timeless(text: str) -> str:
    """Return text without what changes from run to run: the clock, how long it took, how long ago the incident was."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC · took \S+ \S+", "NOW", text)
    text = re.sub(r"\d+\s+days\s+before\s+this\s+run", "AGO", text)
    return re.sub(r"\s+", " ", text)


def parts(command: str, page: str) -> list[str]:
    """Return the parts of a sample, which leaves out what stands between them."""
    found = re.search(SAMPLE.format(command), (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found and found[1].strip()
    return [timeless(part).strip() for part in found[1].split("[…]")]


def test_the_samples_are_parts_of_what_the_commands_print(run: Run, tmp_path: Path) -> None:
    printed = timeless(run("demo", cwd=tmp_path).out.decode())
    for part in parts("demo", "README.md"):
        assert part in printed
    story = timeless(run("explain", "activity_1766557428498", cwd=tmp_path / "dedupaudit-demo").out.decode())
    for part in parts("explain", "docs/audit.md"):
        assert part in story
