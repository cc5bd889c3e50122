"""`bonafides attestation`: the processes, and what an operator does once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bonafides.types import Address

app = typer.Typer(
    add_completion=False,
    epilog="First: bonafides attestation keys new, once for the attester and once for the publisher; then "
    "deploy-registry, trust-file, and the three services.",
)
keys_app = typer.Typer(
    add_completion=False,
    epilog="First: bonafides attestation keys new, once for the attester and once for the publisher.",
)
app.add_typer(keys_app, name="keys", help="Keystore files of attester and publisher.", no_args_is_help=True)


@app.command()
def issuer() -> None:
    """Sign finalized scores; one process a key.

    Settings come from variables that begin with BONAFIDES_ATTESTATION_;
    .env.example in the repository lists all, with their defaults. The registry's
    address stands in the file that deploy-registry writes, a model's id is the
    SHA-256 of its manifest.json. Where no model is allowed, nothing is attested.

    Example:

      MODEL=services/scoring/bonafides_scoring/models/synthetic-2
      ID=0x"$(sha256sum $MODEL/manifest.json | cut -c 1-64)"
      BONAFIDES_ATTESTATION_ALLOWED_MODELS=$ID=synthetic \\
      BONAFIDES_ATTESTATION_CHAIN_ID=31337 \\
      BONAFIDES_ATTESTATION_RPC_URL=http://localhost:8545 \\
      BONAFIDES_ATTESTATION_REGISTRY=0x5FbDB2315678afecb367f032d93F642f64180aa3 \\
      BONAFIDES_ATTESTATION_ATTESTER_KEYSTORE_FILE=attester.json \\
      BONAFIDES_ATTESTATION_ATTESTER_PASSWORD_FILE=attester.password \\
      bonafides attestation issuer
    """
    _run("issuer")


@app.command()
def publisher() -> None:
    """Publish the roots of signed batches on-chain; one is active, by lease.

    Settings come from variables that begin with BONAFIDES_ATTESTATION_, as the
    issuer's; its account pays for the transactions.

    Example:

      BONAFIDES_ATTESTATION_CHAIN_ID=31337 \\
      BONAFIDES_ATTESTATION_RPC_URL=http://localhost:8545 \\
      BONAFIDES_ATTESTATION_REGISTRY=0x5FbDB2315678afecb367f032d93F642f64180aa3 \\
      BONAFIDES_ATTESTATION_PUBLISHER_KEYSTORE_FILE=publisher.json \\
      BONAFIDES_ATTESTATION_PUBLISHER_PASSWORD_FILE=publisher.password \\
      bonafides attestation publisher
    """
    _run("publisher")


@app.command()
def api() -> None:
    """Give documents to the wallets of their subjects.

    Settings come from variables that begin with BONAFIDES_ATTESTATION_, as the
    issuer's. It needs no key and no node.

    Example:

      BONAFIDES_ATTESTATION_CHAIN_ID=31337 \\
      BONAFIDES_ATTESTATION_REGISTRY=0x5FbDB2315678afecb367f032d93F642f64180aa3 \\
      bonafides attestation api
    """
    _run("api")


@keys_app.command()
def new(
    out: Annotated[Path, typer.Option(help="Keystore file to make; an existing one is never overwritten.")],
    password_file: Annotated[Path, typer.Option(help="File that holds the password.")],
) -> None:
    """Make a key in a new keystore v3 file, readable by its owner alone, and print its address.

    Example:

      openssl rand -hex 24 > attester.password
      bonafides attestation keys new --out attester.json \\
          --password-file attester.password
    """
    from bonafides.settings import read_secret
    from bonafides.types import address_text
    from rich.console import Console

    from bonafides_attestation.keys import new_keystore

    address = new_keystore(out, read_secret(password_file, "--password-file"))
    Console().print(f"{address_text(address)} in {out}", highlight=False, soft_wrap=True)


@app.command()
def deploy_registry(
    rpc_url: Annotated[str, typer.Option(envvar="BONAFIDES_ATTESTATION_RPC_URL", help="Node to deploy through.")],
    attester: Annotated[str, typer.Option(help="Address, or keystore file, of the key that signs documents.")],
    publisher_account: Annotated[
        str, typer.Option("--publisher", help="Address, or keystore file, of the account that publishes roots.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write the deployment here too; it must not exist.")] = None,
    deployer_keystore: Annotated[Path | None, typer.Option(help="Keystore of the account that pays.")] = None,
    deployer_password_file: Annotated[Path | None, typer.Option(help="File with its password.")] = None,
    node_account: Annotated[
        str | None, typer.Option(help="Instead of a keystore: an account that the node holds, as anvil's.")
    ] = None,
    admin: Annotated[str | None, typer.Option(help="Admin address, a multisig; else the deployer.")] = None,
    guardian: Annotated[str | None, typer.Option(help="Guardian address; else the deployer.")] = None,
    admin_delay_s: Annotated[
        int, typer.Option(min=0, help="Delay of new attester keys and of a new admin, in seconds.")
    ] = 172_800,
) -> None:
    """Deploy a CreditScoreRegistry from the committed bytecode and print where it is.

    The account of the example is the first that anvil holds.

    Example:

      bonafides attestation deploy-registry --rpc-url http://localhost:8545 \\
          --node-account 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 \\
          --attester attester.json --publisher publisher.json \\
          --admin-delay-s 0 --out deployment.json
    """
    from bonafides.errors import InvalidInput
    from bonafides.json_rpc import JsonRpc
    from bonafides.types import parse_address
    from rich.console import Console

    from bonafides_attestation.deployment import KeyDeployer, NodeDeployer, deploy_registry
    from bonafides_attestation.keys import open_keystore

    if (deployer_keystore is None) == (node_account is None):
        raise InvalidInput("name --deployer-keystore or --node-account: who pays for the deployment")
    if out is not None and out.exists():
        raise InvalidInput(f"{out} exists: a deployment file is never overwritten")
    deployer = (
        NodeDeployer(parse_address(node_account))
        if node_account is not None
        else KeyDeployer(open_keystore(deployer_keystore, deployer_password_file, "--deployer"))
    )
    deployment = deploy_registry(
        JsonRpc(rpc_url, 30.0),
        deployer,
        attester=_address_or_keystore(attester),
        publisher=_address_or_keystore(publisher_account),
        admin=None if admin is None else parse_address(admin),
        guardian=None if guardian is None else parse_address(guardian),
        admin_delay_s=admin_delay_s,
    )
    if out is not None:
        out.write_text(deployment.to_json())
    Console().print(deployment.to_json(), highlight=False, soft_wrap=True, end="")


@app.command()
def trust_file(
    deployment: Annotated[Path, typer.Option(help="File of `deploy-registry`.")],
    issuer_name: Annotated[str, typer.Option("--issuer", help="Name of the issuer, for humans.")],
    model: Annotated[list[str], typer.Option(help="0x<model id>=real or =synthetic; may be repeated.")],
    out: Annotated[Path, typer.Option(help="Trust file to write.")],
    accept_flag: Annotated[
        list[str] | None, typer.Option(help="Flag that a score may carry: reference_position, thin_file, disputed.")
    ] = None,
) -> None:
    """Write the trust file that a lender needs for a deployment: registry, pinned attester key, models.

    A model's id is the SHA-256 of its manifest.json.

    Example:

      MODEL=services/scoring/bonafides_scoring/models/synthetic-2
      ID=0x"$(sha256sum $MODEL/manifest.json | cut -c 1-64)"
      bonafides attestation trust-file --deployment deployment.json \\
          --issuer Example --model $ID=synthetic --out trust.json
    """
    from bonafides.errors import InvalidInput
    from bonafides.verify.strict_json import read_strict_json
    from bonafides.verify.trust import FlagName
    from pydantic import TypeAdapter, ValidationError

    from bonafides_attestation import deployment as deployments
    from bonafides_attestation.settings import parse_models

    try:
        found = deployments.Deployment.model_validate(read_strict_json(deployment.read_bytes()))
        flags = TypeAdapter(tuple[FlagName, ...]).validate_python(tuple(accept_flag or ()))
        models = parse_models(",".join(model))
    except OSError as exc:
        raise InvalidInput(f"{deployment} cannot be read: {exc.strerror}") from exc
    except (ValidationError, ValueError) as exc:
        raise InvalidInput(str(exc)) from exc
    out.write_text(deployments.trust_file(found, issuer_name, models, flags).to_json())


def _address_or_keystore(text: str) -> "Address":
    from bonafides.types import parse_address

    from bonafides_attestation.keys import read_keystore_address

    return parse_address(text) if text.lower().startswith("0x") else read_keystore_address(Path(text))


def _run(name: str) -> None:
    from bonafides.process import exit_with

    from bonafides_attestation.__main__ import PROCESSES

    exit_with(PROCESSES[name])
