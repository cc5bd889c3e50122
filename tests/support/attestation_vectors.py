"""Make `tests/vectors/attestation.json`: golden bytes, and documents with the answer that every verifier must give.

    python -m tests.support.attestation_vectors

A test makes the file again and compares, so that neither the formats nor the answers change unnoticed.
"""

import json
from dataclasses import asdict
from pathlib import Path

from bonafides.digests import as_of_digest
from bonafides.types import Digest, Json
from bonafides.verify.leaves import LEAF_TYPES, leaf_hash
from bonafides.verify.typed_data import (
    attestation_digest,
    domain_separator,
    presentation_digest,
    struct_hash,
)
from bonafides_attestation.document import attestation_leaf, tombstone_leaf
from eth_abi.abi import encode

from tests.support.attestation_cases import cases
from tests.support.attestation_circumstances import chains, trusts
from tests.support.attestation_edits import AUDIENCE, NONCE, JsonObject, golden_file, hexed, leaf_json, message
from tests.support.attestation_fixtures import (
    AS_OF,
    ATTESTER,
    BORROWER,
    DOMAIN,
    SECOND_WALLET,
    STRANGER,
    FakeChain,
    seed_of,
    sign_presentation,
)

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "attestation.json"


def golden_bytes() -> JsonObject:
    """Every hash on the way from a seed to a root."""
    file = golden_file()
    attestation = file.typed_data.message.to_attestation()
    assert file.inclusion is not None
    said = message()
    leaves: list[Json] = []
    for row in file.leaves:
        leaf = row.to_leaf()
        encoded = encode([LEAF_TYPES[leaf.name].value], [leaf.value])
        hashed = leaf_hash(leaf.name, leaf.value, leaf.salt)
        leaves.append(leaf_json(leaf) | {"encodedValue": hexed(encoded), "hash": hexed(hashed)})
    return {
        "seed": hexed(seed_of(17)),
        "leaves": leaves,
        "wallets": [{"wallet": hexed(row.wallet), "salt": hexed(row.salt)} for row in file.wallets],
        "commitment": hexed(attestation.commitment),
        "subject": hexed(attestation.subject),
        "asOfDigest": hexed(as_of_digest(AS_OF)),
        "chainId": DOMAIN.chain_id,
        "registry": hexed(DOMAIN.registry),
        "domainSeparator": hexed(domain_separator(DOMAIN)),
        "attestation": json.loads(file.typed_data.message.model_dump_json()),
        "structHash": hexed(struct_hash(attestation)),
        "digest": hexed(attestation_digest(DOMAIN, attestation)),
        "attester": hexed(ATTESTER.address),
        "signature": hexed(file.signature.value),
        "batchLeaf": hexed(attestation_leaf(attestation)),
        "tombstoneLeaf": hexed(tombstone_leaf(attestation.revocation_index)),
        "root": hexed(file.inclusion.root),
        "proof": [hexed(node) for node in file.inclusion.proof],
        "presentation": {
            "commitment": hexed(said.commitment),
            "audience": said.audience,
            "nonce": hexed(said.nonce),
            "expiry": said.expiry,
            "digest": hexed(presentation_digest(DOMAIN, said)),
            "wallet": hexed(BORROWER.address),
            "signature": hexed(sign_presentation(BORROWER, said)),
        },
        "holderFile": json.loads(file.to_json()),
    }


def chain_json(chain: FakeChain) -> JsonObject:
    def roots(found: dict[Digest, object]) -> JsonObject:
        return {hexed(root): _camel(asdict(record)) for root, record in found.items()}  # type: ignore[call-overload]

    keys: JsonObject = {hexed(key): _camel(asdict(record)) for key, record in chain.keys.items()}
    return {
        "chainId": chain.id,
        "finalRoots": roots(dict(chain.roots)),
        "waitingRoots": roots(dict(chain.unfinalized)),
        "keys": keys,
        "revoked": [*sorted(chain.revoked)],
    }


def _camel(record: dict[str, int]) -> JsonObject:
    def name(word: str) -> str:
        head, *tail = word.split("_")
        return head + "".join(part.title() for part in tail)

    return {name(key): value for key, value in record.items()}


def render_vectors() -> str:
    """The committed file's text."""
    contract_signature = message()
    accepted: JsonObject = {
        "wallet": hexed(BORROWER.address),
        "digest": hexed(presentation_digest(DOMAIN, contract_signature)),
        "signature": hexed(sign_presentation(BORROWER, contract_signature)),
    }
    found: JsonObject = {
        "note": "Keys, seeds and times are for tests. Every verifier of a case's layer gives the expected status.",
        "golden": golden_bytes(),
        "holders": {
            "borrower": {"wallet": hexed(BORROWER.address)},
            "second wallet": {"wallet": hexed(SECOND_WALLET.address)},
            "stranger": {"wallet": hexed(STRANGER.address)},
            "audience": {"audience": AUDIENCE, "nonce": hexed(NONCE)},
        },
        "contractWallets": [accepted],
        "trusts": {name: json.loads(trust.to_json()) for name, trust in trusts().items()},
        "chains": {name: chain_json(chain) for name, chain in chains().items()},
        "cases": [
            {
                "name": case.name,
                "layer": case.layer,
                "expected": case.expected.value,
                "trust": case.trust,
                "chain": case.chain,
                "holder": case.holder,
                "at": case.at,
                "policy": case.policy,
                "document": case.document,
            }
            for case in cases()
        ],
    }
    return json.dumps(found, indent=1) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(render_vectors())
