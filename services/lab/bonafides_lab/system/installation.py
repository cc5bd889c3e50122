"""One whole installation on the local stack: database, topics, keys, registry, trust file, and the settings of all.

It is made as an operator would make it, through the commands of this distribution.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import InvariantViolation
from bonafides.types import DEVELOPMENT_CHAINS

from bonafides_lab.stack.resolver import LocalStack
from bonafides_lab.system.preparation import RoleAccess, prepare_database, prepare_topics, write_secret
from bonafides_lab.system.processes import Service, System

CHAIN_ID = 31337
ISSUER_NAME = "bonafides-demo"
DEPLOYER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
"""The first of anvil's development accounts, which the node itself holds."""
PUBLISHER_FUNDS_WEI = 10 * 10**18

type Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Keys:
    """Keystores of one issuer and what opens them."""

    attester: Path
    publisher: Path
    password_file: Path


@dataclass(frozen=True, slots=True)
class Registry:
    """A deployed CreditScoreRegistry and the files about it."""

    address: str
    deployment_file: Path
    trust_file: Path


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything that the processes need, and the processes."""

    folder: Path
    keys: Keys
    registry: Registry
    system: System


def run_command(argv: Sequence[str | Path]) -> str:
    """Run `bonafides …` in a process of its own; its standard output. Raises InvariantViolation when it fails."""
    command = [sys.executable, "-c", "from bonafides.command_line import main; main()", *map(str, argv)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise InvariantViolation(f"bonafides {' '.join(map(str, argv[:2]))} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def make_keys(folder: Path) -> Keys:
    """Make the keystores of attester and publisher."""
    folder.mkdir(parents=True, exist_ok=True)
    password_file = write_secret(folder / "keystores.password", "for a development chain only")
    names = ("attester", "publisher")
    with ThreadPoolExecutor(len(names)) as pool:  # scrypt takes two seconds each
        list(
            pool.map(
                lambda name: run_command(
                    ["attestation", "keys", "new", "--out", folder / f"{name}.json", "--password-file", password_file]
                ),
                names,
            )
        )
    return Keys(folder / "attester.json", folder / "publisher.json", password_file)


def deploy_registry(stack: LocalStack, keys: Keys, model_id: str, folder: Path) -> Registry:
    """Deploy the registry, fund its publisher, and write the trust file that lenders get."""
    from bonafides.types import address_text
    from bonafides_attestation.deployment import Deployment
    from bonafides_attestation.keys import read_keystore_address

    deployment_file, trust_file = folder / "deployment.json", folder / "trust.json"
    publisher = address_text(read_keystore_address(keys.publisher))
    stack.rpc.call("anvil_setBalance", publisher, hex(PUBLISHER_FUNDS_WEI))
    powers: list[str | Path] = ["--attester", keys.attester, "--publisher", keys.publisher, "--admin-delay-s", "0"]
    payer = ["--rpc-url", stack.rpc_url, "--node-account", DEPLOYER]
    run_command(["attestation", "deploy-registry", *payer, *powers, "--out", deployment_file])
    accepted = [
        "--model",
        f"0x{model_id}=synthetic",
        "--accept-flag",
        "reference_position",
        "--accept-flag",
        "thin_file",
    ]
    issuer: list[str | Path] = ["--deployment", deployment_file, "--issuer", ISSUER_NAME]
    run_command(["attestation", "trust-file", *issuer, *accepted, "--out", trust_file])
    deployed = Deployment.model_validate_json(deployment_file.read_bytes())
    return Registry(address_text(deployed.registry), deployment_file, trust_file)


def install(
    stack: LocalStack,
    folder: Path,
    deployments_file: Path,
    *,
    keys: Keys | None = None,
    report: Report = lambda _: None,
) -> Installation:
    """Prepare everything and start nothing. `deployments_file` is the registry of lending deployments for ingest."""
    if CHAIN_ID not in DEVELOPMENT_CHAINS:
        raise InvariantViolation("the lab attests synthetic scores and so belongs on a development chain")
    with ThreadPoolExecutor(3) as pool:
        access = pool.submit(prepare_database, stack.postgres_url, folder / "secrets")
        topics = pool.submit(prepare_topics, stack.kafka_bootstrap)
        made = pool.submit(make_keys, folder / "keys") if keys is None else None
        topics.result()
        report("topics created")
        roles = access.result()
        report("schemas at head, one database role a process")
        keys = made.result() if made else keys
    if keys is None:
        raise InvariantViolation("no keys were made")
    model_id = shipped_model_id()
    registry = deploy_registry(stack, keys, model_id, folder)
    report(f"CreditScoreRegistry at {registry.address}")
    system = make_system(stack, folder, roles, keys, registry, model_id, deployments_file)
    return Installation(folder, keys, registry, system)


def make_system(
    stack: LocalStack,
    folder: Path,
    access: dict[str, RoleAccess],
    keys: Keys,
    registry: Registry,
    model_id: str,
    deployments_file: Path,
) -> System:
    """The processes of an installation with the settings of each."""
    chain = {"rpc_url": stack.rpc_url, "chain_id": str(CHAIN_ID)}
    attestation = {
        **chain,
        "registry": registry.address,
        "issuer_name": ISSUER_NAME,
        "allowed_models": f"0x{model_id}=synthetic",
        "issue_for": "all",
        "consent_mode": "open",
        "batch_max_age_s": "2",
        "turn_s": "0.3",
        "lease_s": "3",
    }
    scoring = {"chain_ids": str(CHAIN_ID), "consent_mode": "open"}
    attester = {"attester_keystore_file": str(keys.attester), "attester_password_file": str(keys.password_file)}
    publisher = {"publisher_keystore_file": str(keys.publisher), "publisher_password_file": str(keys.password_file)}
    settings = {
        Service.INGEST: {**chain, "deployments_file": str(deployments_file), "poll_interval_s": "0.5", "lease_s": "3"},
        Service.SCORING_WORKER: scoring,
        Service.SCORING_API: scoring,
        Service.ISSUER: {**attestation, **attester},
        Service.PUBLISHER: {**attestation, **publisher},
        Service.ATTESTATION_API: attestation,
    }
    session_timeout_s = 2.0 if stack.broker.detail.startswith("Apache Kafka") else 6.0  # ours allows less
    return System(folder, stack.kafka_bootstrap, access, settings, session_timeout_s)


def shipped_model_id() -> str:
    """Id of the model bundle that ships with this version, 64 hexadecimal digits."""
    from bonafides_scoring.model import load_bundle, shipped_model

    return load_bundle(shipped_model()).id.hex()
