"""The chart under the real helm: it lints, it renders, and Kubernetes' own schemas accept what comes out."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.support.ops_helm import CHART, CI_VALUES, KUBERNETES_VERSIONS, run_helm, template
from tests.support.ops_values_schema import PATH as SCHEMA_PATH
from tests.support.ops_values_schema import render as render_schema

pytestmark = pytest.mark.chart

SHARED_COMMENT = (
    *("ingest: {", "scoring: {", "attestation: {"),
    *("podAnnotations:", "nodeSelector:", "tolerations:", "affinity:", "priorityClassName:"),
    *("requests:", "limits:", "ethereum:", "kafka: []", "nodes: []"),
)
"""Keys whose comment stands above the first of their group."""
ALL_VALUES = (None, *CI_VALUES)


def _name(values: Path | None) -> str:
    return values.stem if values else "defaults"


@pytest.mark.parametrize("values", ALL_VALUES, ids=_name)
def test_helm_lint__strict__finds_nothing(values: Path | None) -> None:
    done = run_helm("lint", "--strict", str(CHART), *(["--values", str(values)] if values else []))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout + done.stderr


@pytest.mark.parametrize("kubernetes", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("values", ALL_VALUES, ids=_name)
def test_render__each_kubernetes_minor__passes_its_schemas(
    values: Path | None, kubernetes: str, tmp_path: Path
) -> None:
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(template(values, kubernetes=kubernetes))

    minor = kubernetes.rpartition(".")[0]
    validate = Path(sys.executable).parent / "kubernetes-validate"
    done = subprocess.run(
        [str(validate), "--strict", "-k", minor, str(rendered)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_validate__a_misspelt_field__is_refused(tmp_path: Path) -> None:
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(template(CI_VALUES[0]).replace("containerPort:", "contanerPort:", 1))

    validate = Path(sys.executable).parent / "kubernetes-validate"
    done = subprocess.run(
        [str(validate), "--strict", "-k", "1.34", str(rendered)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode != 0


def test_render__a_kubernetes_too_old__is_refused() -> None:
    with pytest.raises(AssertionError, match="kubeVersion"):
        template(kubernetes="1.29.0")


def test_render__a_release_named_y__stays_text() -> None:
    labels = yaml.safe_load(template(release="y").split("\n---\n")[0].removeprefix("---"))["metadata"]["labels"]

    assert labels["app.kubernetes.io/instance"] == "y"


def test_values_schema__compared_with_the_settings_classes__is_what_they_give() -> None:
    assert SCHEMA_PATH.read_text() == render_schema(), "run: python -m tests.support.ops_values_schema"


def test_values__each_key__is_explained_in_the_line_above() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()

    unexplained = [
        line
        for above, line in pairwise(lines)
        if not above.lstrip().startswith("#") and ":" in line and not line.lstrip().startswith(("#", *SHARED_COMMENT))
    ]

    assert unexplained == []
