"""Read `tests/vectors/attestation.json` as any verifier of it must: from the file alone."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bonafides.types import Address, ChainId, Digest, VerificationStatus
from bonafides.verify import (
    AskedFor,
    ChainView,
    DealsWith,
    Holder,
    KeyRecord,
    Policy,
    RootRecord,
    TrustFile,
    Verification,
    read_trust_file,
    verify,
)

from tests.support.attestation_fixtures import FakeChain

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


@dataclass(frozen=True, slots=True)
class VectorCase:
    """One case of the file, with its circumstances looked up."""

    name: str
    layer: str
    expected: VerificationStatus
    document: str
    trust: TrustFile
    chain: ChainView | None
    holder: Holder | None
    at: int
    policy: Policy

    def answer(self) -> Verification:
        return verify(self.document, self.trust, self.holder, self.at, self.chain, self.policy)


def read_vectors(name: str = "attestation.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / name).read_text())
    return found


def read_cases() -> list[VectorCase]:
    vectors = read_vectors()
    accepted = {
        (Address(_raw(row["wallet"])), Digest(_raw(row["digest"])), _raw(row["signature"]))
        for row in vectors["contractWallets"]
    }
    return [
        VectorCase(
            name=row["name"],
            layer=row["layer"],
            expected=VerificationStatus(row["expected"]),
            document=row["document"],
            trust=read_trust_file(json.dumps(vectors["trusts"][row["trust"]])),
            chain=None if row["chain"] is None else _chain(vectors["chains"][row["chain"]], accepted),
            holder=None if row["holder"] is None else _holder(vectors["holders"][row["holder"]]),
            at=row["at"],
            policy=Policy(row["policy"]),
        )
        for row in vectors["cases"]
    ]


def _chain(row: dict[str, Any], accepted: set[tuple[Address, Digest, bytes]]) -> FakeChain:
    return FakeChain(
        id=ChainId(row["chainId"]),
        roots=_roots(row["finalRoots"]),
        unfinalized=_roots(row["waitingRoots"]),
        keys={
            Address(_raw(key)): KeyRecord(record["validFrom"], record["validUntil"], record["revokedAt"])
            for key, record in row["keys"].items()
        },
        revoked=set(row["revoked"]),
        contract_signatures=accepted,
    )


def _roots(rows: dict[str, Any]) -> dict[Digest, RootRecord]:
    return {
        Digest(_raw(root)): RootRecord(record["publishedAt"], record["epoch"], record["firstIndex"], record["count"])
        for root, record in rows.items()
    }


def _holder(row: dict[str, Any]) -> Holder:
    if "wallet" in row:
        return DealsWith(Address(_raw(row["wallet"])))
    return AskedFor(row["audience"], Digest(_raw(row["nonce"])))


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])
