"""The README's sample is what the demo really prints."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import Run

README = Path(__file__).parent.parent / "README.md"
SAMPLE = re.compile(r"<!-- sample: dedupaudit demo -->\n```\n(.*?)```\n<!-- end of sample -->", re.DOTALL)


def timeless(text: str) -> str:
    """Return text without what changes from run to run: the clock, how long it took, how long ago the incident was."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC · took \S+ \S+", "NOW", text)
    text = re.sub(r"\d+\s+days\s+before\s+this\s+run", "AGO", text)
    return re.sub(r"\s+", " ", text)


def test_the_sample_is_a_part_of_what_the_demo_prints(run: Run, tmp_path: Path) -> None:
    found = SAMPLE.search(README.read_text(encoding="utf-8"))
    assert found and found[1].strip()

    demo = run("demo", cwd=tmp_path)

    printed = timeless(demo.out.decode())
    for part in found[1].split("[…]"):
        assert timeless(part).strip() in printed
