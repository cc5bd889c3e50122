"""`make demo ONCE=1`: ends by itself, with everything shown and nothing left behind."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

COMMAND = [sys.executable, "-c", "from bonafides.command_line import main; main()", "lab", "demo", "--once"]


def processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that name the folder in their arguments or environment."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue  # it has ended meanwhile, or is another user's
        if str(folder).encode() in said:
            found.append(said.split(b"\0")[0].decode())
    return found


def test_demo__once__tells_the_whole_story_and_leaves_no_process_behind() -> None:
    with tempfile.TemporaryDirectory(prefix="bonafides-demo-test-", ignore_cleanup_errors=True) as parent:
        folder = Path(parent) / "demo"
        Path(parent).chmod(0o711)

        done = subprocess.run(
            [*COMMAND, "--folder", str(folder)], capture_output=True, text=True, timeout=400, check=False
        )

        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert processes_of(folder) == []
    for shown in ("VALID", "BAD_DISCLOSURE", "UNTRUSTED_KEY", "HOLDER_MISMATCH", "ROOT_UNCHECKED", "AUC", "synthetic"):
        assert shown in done.stdout
    assert "CONSENT_MODE=open" in done.stdout


def test_demo__folder_in_use__refuses_in_words(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("kept")

    done = subprocess.run(
        [*COMMAND, "--folder", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "something").read_text() == "kept"
