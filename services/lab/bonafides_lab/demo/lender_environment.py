"""The lender's own machine: a second virtual environment with `bonafides` and no extras.

What verifies there verifies with the base install alone: no broker, no database, no web framework, no xgboost.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bonafides.errors import MissingTool


def checkout_root() -> Path:
    """The folder of the checkout that this code runs from. Raises MissingTool when it was installed without one."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "pyproject.toml").exists() and (folder / "requirements" / "base.lock").exists():
            return folder
    raise MissingTool("the demo builds a wheel for the lender and so runs from a checkout; clone the repository")


def ensure_lender_environment(root: Path) -> Path:
    """Make `.venv-lender` in the checkout, or reuse it; returns its `bonafides` command.

    Requirements are installed when their lock changed, our wheel when our code did.
    """
    venv = root / ".venv-lender"
    python = venv / "bin" / "python"
    lock = root / "requirements" / "base.lock"
    if not python.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(venv)])
    if _is_new(venv / ".lock-stamp", stamp := hashlib.sha256(lock.read_bytes()).hexdigest()):
        _run([str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock)])
        (venv / ".lock-stamp").write_text(stamp)
    if _is_new(venv / ".code-stamp", stamp := _code_digest(root)):
        with tempfile.TemporaryDirectory() as folder:
            _run(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "wheel",
                    "-q",
                    "--no-deps",
                    "--no-build-isolation",
                    "-w",
                    folder,
                    str(root),
                ]
            )
            wheels = [str(path) for path in Path(folder).glob("bonafides-*.whl")]
            _run([str(python), "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", *wheels])
        (venv / ".code-stamp").write_text(stamp)
    return venv / "bin" / "bonafides"


def _is_new(path: Path, stamp: str) -> bool:
    return not path.exists() or path.read_text() != stamp


def _code_digest(root: Path) -> str:
    """Of what the lender's install runs: the kernel with the verifier, and the packaging."""
    digest = hashlib.sha256((root / "pyproject.toml").read_bytes())
    for path in sorted((root / "shared" / "bonafides").rglob("*")):
        if path.suffix in (".py", ".json", ".avsc"):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _run(argv: list[str]) -> None:
    environ = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environ)  # noqa: S603 - our own argv
    if done.returncode:
        raise MissingTool(f"{Path(argv[0]).name} {' '.join(argv[1:4])} failed:\n{done.stderr[-2000:]}")
