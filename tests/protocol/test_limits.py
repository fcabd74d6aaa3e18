"""docs/spec/limits.md names every bound of the code, with its value."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_its_script_makes(tmp_path):
    subprocess.run([sys.executable, ROOT / "tests/vectors/make_limits.py", tmp_path], check=True)
    made, page = (tmp_path / "limits.md").read_text(), (ROOT / "docs/spec/limits.md").read_text()
    assert "| `frame.LIMIT_AHEAD` | 90 |" in made
    assert made == page, "run: python tests/vectors/make_limits.py"
