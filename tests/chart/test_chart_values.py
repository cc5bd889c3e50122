"""What the chart refuses, before anything is installed."""

import pytest

from tests.support.ops_helm import CHART, refusal

pytestmark = pytest.mark.chart

FULL = CHART / "ci" / "full-values.yaml"


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("scoringWorkers.replicas=3", "scoringWorkers"),
        ("scoringWorker.replica=3", "replica"),
        ("scoringWorker.replicas=65", "64"),
        ("scoringWorker.autoscaling.maxReplicas=65", "64"),
        ("issuer.replicas=2", "replicas"),
        ("publisher.replicas=2", "replicas"),
        ("consentMode=sometimes", "consentMode"),
        ("kafka.bootstrapServers=kafka", "bootstrapServers"),
        ("images.ingest.tag=latest", "tag"),
        ("images.ingest.digest=abc", "digest"),
        ("postgres.sslMode=prefer", "sslMode"),
        ("scoring.settings.poll_max_record=1", "poll_max_record"),
        ("scoring.settings.poll_max_records=0", "poll_max_records"),
        ("scoring.settings.consent_mode=open", "consent_mode"),
        ("ingest.settings.crash_at=ingest.after_fetch", "crash_at"),
        ("attestation.settings.attester_keystore_file=x", "attester_keystore_file"),
        ("attestation.registry=0x12", "registry"),
        ("ingest.chains.ethereum.rpc.urls=x", "urls"),
        ("ingest.chains.a-name-that-is-too-long.chainId=5", "a-name-that-is-too-long"),
        ("ingest.databasePassword.existingSecret=", "existingSecret"),
    ],
)
def test_values__outside_the_schema__are_refused_by_name(setting: str, named: str) -> None:
    said = refusal(setting)

    assert "schema" in said
    assert named in said


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (("consentMode=open",), "acknowledgeOpenConsent"),
        (("ingest.chains.ethereum=null",), "ingest.chains is empty"),
        (("ingest.chains.ethereum.rpc.existingSecret=",), "ingest.chains.ethereum.rpc"),
        (("ingest.chains.again.chainId=1", "ingest.chains.again.rpc.url=http://node:8545"), "twice"),
        (("kafka.securityProtocol=SASL_SSL",), "kafka.saslMechanism"),
        (("kafka.saslMechanism=PLAIN",), "passwords would not be used"),
        (("postgres.sslMode=verify-ca",), "postgres.ca.existingSecret"),
        (("scoringApi.autoscaling.minReplicas=11",), "minReplicas"),
        (("scoringApi.ingress.enabled=true",), "host"),
        (("attestation.enabled=true",), "attestation.registry"),
    ],
)
def test_values__that_contradict_each_other__are_refused_with_the_remedy(settings: tuple[str, ...], named: str) -> None:
    assert named in refusal(*settings)


def test_values__one_key_for_issuer_and_publisher__are_refused() -> None:
    said = refusal("publisher.keystore.existingSecret=bonafides-issuer", values=FULL)

    assert "publisher" in said
    assert "sign documents" in said


def test_values__a_synthetic_model_on_a_live_chain__are_refused() -> None:
    said = refusal(f"attestation.allowedModels.0x{'3' * 64}=synthetic", values=FULL)

    assert "no development chain" in said


def test_values__attesting_wallets_that_never_asked__need_a_second_word() -> None:
    asked = "attestation.settings.issue_for=all"

    assert "acknowledgeOpenConsent" in refusal(asked, values=FULL)
    assert refusal(asked, "acknowledgeOpenConsent=true", values=FULL) == ""


def test_values__open_consent_said_twice__are_accepted() -> None:
    assert refusal("consentMode=open", "acknowledgeOpenConsent=true") == ""
