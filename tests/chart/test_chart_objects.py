"""What the chart renders: hardened pods, jobs that can run first, one writer per key, no secret in sight."""

from collections import Counter
from pathlib import Path

import pytest
from bonafides.types import Json

from tests.support.ops_helm import CHART, CI_VALUES, Rendered, mapping, objects, of_kind, pods, sequence, template

pytestmark = pytest.mark.chart

FULL = CHART / "ci" / "full-values.yaml"
EVERY_RENDER = pytest.mark.parametrize(
    "values", [None, *CI_VALUES], ids=lambda values: values.stem if values else "defaults"
)
PROCESSES = {
    "ingest-base",
    "ingest-ethereum",
    "scoring-worker",
    "scoring-api",
    "issuer",
    "publisher",
    "attestation-api",
}


def _container(pod: Rendered) -> Rendered:
    containers = sequence(pod.at("spec", "containers"))
    assert len(containers) == 1
    return Rendered("Container", pod.name, mapping(containers[0]))


def _deployment(rendered: str, component: str) -> Rendered:
    return next(found for found in of_kind(rendered, "Deployment") if found.component == component)


def test_render__everything_on__has_a_deployment_per_process() -> None:
    assert {found.component for found in of_kind(template(FULL), "Deployment")} == PROCESSES


def test_render__defaults__leave_the_signing_part_out() -> None:
    components = {found.component for found in of_kind(template(), "Deployment")}

    assert components == {"ingest-ethereum", "scoring-worker", "scoring-api"}


@EVERY_RENDER
def test_pods__under_pod_security_restricted__break_no_rule(values: Path | None) -> None:
    for pod in pods(template(values)):
        container = _container(pod)
        assert pod.at("spec", "hostNetwork") is None
        assert pod.at("spec", "hostPID") is None
        assert pod.at("spec", "securityContext", "runAsNonRoot") is True
        assert pod.at("spec", "securityContext", "runAsUser") == 10001
        assert pod.at("spec", "securityContext", "seccompProfile", "type") == "RuntimeDefault"
        assert container.at("securityContext", "allowPrivilegeEscalation") is False
        assert container.at("securityContext", "privileged") is False
        assert container.at("securityContext", "capabilities") == {"drop": ["ALL"]}
        assert container.at("securityContext", "readOnlyRootFilesystem") is True
        for volume in sequence(pod.at("spec", "volumes")):
            assert set(mapping(volume)) - {"name"} <= {"projected", "emptyDir", "configMap"}


@EVERY_RENDER
def test_pods__whatever_the_values__get_no_token_no_service_links_and_limits(values: Path | None) -> None:
    for pod in pods(template(values)):
        container = _container(pod)
        assert pod.at("spec", "automountServiceAccountToken") is False
        assert pod.at("spec", "enableServiceLinks") is False
        assert container.at("resources", "requests", "memory")
        assert container.at("resources", "limits", "memory")
        mounts = [mapping(mount) for mount in sequence(container.at("volumeMounts"))]
        assert {mount["mountPath"] for mount in mounts} >= {"/tmp"}  # noqa: S108 - the one place to write
        named = {mapping(volume)["name"] for volume in sequence(pod.at("spec", "volumes"))}
        assert {mount["name"] for mount in mounts} == named
    for account in of_kind(template(values), "ServiceAccount"):
        assert account.at("automountServiceAccountToken") is False


@EVERY_RENDER
def test_processes__all__have_three_probes_that_ask_themselves_only(values: Path | None) -> None:
    for deployment in of_kind(template(values), "Deployment"):
        container = _container(deployment.pod())
        probes = {
            name: container.at(f"{name}Probe", "httpGet", "path") for name in ("startup", "liveness", "readiness")
        }
        assert probes == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
        for name in probes:
            assert container.at(f"{name}Probe", "httpGet", "port") == "metrics"


def test_writers__issuer_and_publisher__are_one_pod_and_never_two() -> None:
    for component in ("issuer", "publisher"):
        deployment = _deployment(template(FULL), component)
        assert deployment.at("spec", "replicas") == 1
        assert deployment.at("spec", "strategy") == {"type": "Recreate"}
        assert component not in {found.component for found in of_kind(template(FULL), "HorizontalPodAutoscaler")}


def test_replicas__scaled_by_an_autoscaler__are_left_out() -> None:
    assert _deployment(template(FULL), "scoring-worker").at("spec", "replicas") is None
    assert _deployment(template(), "scoring-worker").at("spec", "replicas") == 2
    assert of_kind(template(), "HorizontalPodAutoscaler") == []


def test_disruption_budgets__exist__only_where_a_second_pod_may_stand_in() -> None:
    found = {budget.component for budget in of_kind(template(FULL), "PodDisruptionBudget")}

    assert found == PROCESSES - {"issuer", "publisher"}
    assert of_kind(template(CHART / "ci" / "other-chain-values.yaml"), "PodDisruptionBudget") == []


@EVERY_RENDER
def test_hook_jobs__before_the_release_exists__refer_to_hooks_or_existing_objects_alone(values: Path | None) -> None:
    rendered = template(values)
    ours = {(found.kind, found.name) for found in objects(rendered)}
    early = {(found.kind, found.name) for found in objects(rendered) if found.is_hook}
    jobs = of_kind(rendered, "Job")

    assert {job.component for job in jobs} == {"migrations", "topics"}
    for job in jobs:
        assert job.annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        referred = set(_references(job.pod()))
        assert referred & (ours - early) == set()
        assert ("ServiceAccount", str(job.pod().at("spec", "serviceAccountName"))) in early
        weights = [int(str(found.annotations["helm.sh/hook-weight"])) for found in objects(rendered) if found.is_hook]
        assert min(weights) < int(str(job.annotations["helm.sh/hook-weight"]))


def _references(pod: Rendered) -> list[tuple[str, str]]:
    found = [("ServiceAccount", str(pod.at("spec", "serviceAccountName")))]
    container = _container(pod)
    for source in sequence(container.at("envFrom")):
        found += [("ConfigMap", str(mapping(entry)["name"])) for entry in mapping(source).values()]
    for volume in sequence(pod.at("spec", "volumes")):
        inside = Rendered("Volume", pod.name, mapping(volume))
        if name := inside.at("configMap", "name"):
            found.append(("ConfigMap", str(name)))
        found += [("Secret", str(name)) for name in _secrets_of(inside)]
    return found


def _secrets_of(volume: Rendered) -> list[Json]:
    return [mapping(mapping(source)["secret"])["name"] for source in sequence(volume.at("projected", "sources"))]


def test_migrations__with_the_topics__run_before_them() -> None:
    weights = {job.component: int(str(job.annotations["helm.sh/hook-weight"])) for job in of_kind(template(), "Job")}

    assert weights["migrations"] < weights["topics"]


@EVERY_RENDER
def test_secrets__of_any_kind__are_made_by_nobody_here_and_reach_pods_as_files(values: Path | None) -> None:
    rendered = template(values)

    assert of_kind(rendered, "Secret") == []
    assert "secretKeyRef" not in rendered
    assert "secretRef" not in rendered
    for config in of_kind(rendered, "ConfigMap"):
        for name in mapping(config.at("data")):
            assert not name.endswith(("_PASSWORD", "_KEYSTORE", "_KEY")), name


def test_keys__of_issuer_and_publisher__reach_their_own_pod_alone() -> None:
    rendered = template(FULL)
    readers: dict[str, set[str]] = {}
    for deployment in of_kind(rendered, "Deployment"):
        for volume in sequence(deployment.pod().at("spec", "volumes")):
            for name in _secrets_of(Rendered("Volume", "", mapping(volume))):
                readers.setdefault(str(name), set()).add(deployment.component)

    assert readers["bonafides-issuer"] == {"issuer"}
    assert readers["bonafides-issuer-password"] == {"issuer"}
    assert readers["bonafides-publisher"] == {"publisher"}
    assert readers["bonafides-publisher-password"] == {"publisher"}
    assert readers["bonafides-attestation"] == {"issuer", "publisher"}


@EVERY_RENDER
def test_files_of_variables__each__are_mounted_in_the_same_pod(values: Path | None) -> None:
    rendered = template(values)
    variables = {found.name: mapping(found.at("data")) for found in of_kind(rendered, "ConfigMap")}
    for deployment in of_kind(rendered, "Deployment"):
        mounted = {"/etc/bonafides/files/deployments.yaml"}
        for volume in sequence(deployment.pod().at("spec", "volumes")):
            for source in sequence(Rendered("Volume", "", mapping(volume)).at("projected", "sources")):
                for item in sequence(mapping(mapping(source)["secret"])["items"]):
                    mounted.add(f"/etc/bonafides/secrets/{mapping(item)['path']}")
        named = {value for name, value in variables[deployment.name].items() if name.endswith("_FILE")}
        assert named <= mounted


@EVERY_RENDER
def test_names__of_one_kind__are_distinct_and_short_enough(values: Path | None) -> None:
    rendered = template(values, release="a-release-name-of-thirty-chars")
    counted = Counter((found.kind, found.name) for found in objects(rendered))

    assert [name for name, count in counted.items() if count > 1] == []
    assert all(len(found.name) <= 63 for found in objects(rendered))


def test_selectors__after_a_change_of_version_image_and_labels__are_the_same() -> None:
    changed = template(FULL, settings=("commonLabels.team=other", "images.scoring.tag=9.9.9", "logLevel=DEBUG"))

    before = {found.name: found.at("spec", "selector") for found in of_kind(template(FULL), "Deployment")}
    after = {found.name: found.at("spec", "selector") for found in of_kind(changed, "Deployment")}

    assert before == after
    for deployment in of_kind(changed, "Deployment"):
        chosen = mapping(deployment.at("spec", "selector", "matchLabels"))
        assert set(chosen) == {f"app.kubernetes.io/{part}" for part in ("name", "instance", "component")}
        labels = mapping(deployment.pod().at("metadata", "labels"))
        assert dict(chosen).items() <= dict(labels).items()


def test_checksum__of_a_changed_setting__starts_new_pods_of_that_service_alone() -> None:
    changed = template(FULL, settings=("scoring.settings.dead_letter_limit=7",))

    def checksums(rendered: str) -> dict[str, Json]:
        return {
            found.component: found.pod().annotations["checksum/settings"] for found in of_kind(rendered, "Deployment")
        }

    before, after = checksums(template(FULL)), checksums(changed)
    assert {name for name in before if before[name] != after[name]} == {"scoring-worker", "scoring-api"}


def test_images__with_a_digest_and_a_registry__are_named_by_both() -> None:
    rendered = template(FULL)

    images = {found.component: _container(found.pod()).at("image") for found in of_kind(rendered, "Deployment")}

    digest = f"sha256:{1:064x}"
    assert images["ingest-base"] == f"registry.example.org/mirror/bonafides-ingest@{digest}"
    assert images["issuer"] == "registry.example.org/mirror/bonafides-attestation:0.1.0"


def test_network_policies__each_pod__is_chosen_by_exactly_one() -> None:
    rendered = template(FULL)
    policies = [mapping(found.at("spec", "podSelector", "matchLabels")) for found in of_kind(rendered, "NetworkPolicy")]

    for pod in pods(rendered):
        labels = mapping(pod.at("metadata", "labels"))
        assert sum(dict(chosen).items() <= dict(labels).items() for chosen in policies) == 1


@pytest.mark.parametrize(
    ("component", "ports"),
    [
        ("ingest-ethereum", {53, 5432, 9094, 443, 8545}),
        ("scoring-worker", {53, 5432, 9094}),
        ("scoring-api", {53, 5432}),
        ("issuer", {53, 5432, 9094, 443, 8545}),
        ("attestation-api", {53, 5432}),
        ("migrations", {53, 5432}),
        ("topics", {53, 9094}),
    ],
)
def test_network_policy__of_a_component__lets_out_only_to_what_it_needs(component: str, ports: set[int]) -> None:
    policy = next(found for found in of_kind(template(FULL), "NetworkPolicy") if found.component == component)

    rules = [mapping(rule) for rule in sequence(policy.at("spec", "egress"))]

    assert {mapping(port)["port"] for rule in rules for port in sequence(rule["ports"])} == ports
    assert all("to" in rule for rule in rules[1:]), "the values name peers for everything but DNS"
    assert policy.at("spec", "policyTypes") == ["Ingress", "Egress"]


def test_network_policy__without_named_clients__lets_nobody_in() -> None:
    for policy in of_kind(template(), "NetworkPolicy"):
        assert sequence(policy.at("spec", "ingress")) == []


def test_public_addresses__when_asked_for__lead_to_the_api_port_and_never_to_metrics() -> None:
    rendered = template(FULL)
    services = {found.name: found for found in of_kind(rendered, "Service")}

    ingresses = of_kind(rendered, "Ingress")

    assert {found.component for found in ingresses} == {"scoring-api", "attestation-api"}
    for ingress in ingresses:
        backend = mapping(ingress.at("spec", "rules", 0, "http", "paths", 0, "backend", "service"))
        assert backend["port"] == {"name": "http"}
        ports = sequence(services[str(backend["name"])].at("spec", "ports"))
        assert [mapping(port)["name"] for port in ports] == ["http"]
    assert of_kind(template(), "Ingress") == []


def test_notes__of_a_first_install__say_that_roles_need_passwords() -> None:
    notes = (CHART / "templates" / "NOTES.txt").read_text()

    assert "ALTER ROLE" in notes
