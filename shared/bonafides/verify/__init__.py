"""The lender's verifier: pure, with the base install alone, and with all servers of the issuer switched off.

from bonafides.verify import DealsWith, read_trust_file, verify
from bonafides.verify.rpc import RpcChainView

answer = verify(raw, read_trust_file(trust), DealsWith(wallet), at=now, chain=RpcChainView("http://localhost:8545"))
answer.status is VerificationStatus.VALID, answer.claims, answer.detail
"""

from bonafides.types import VerificationStatus
from bonafides.verify.chain import ChainView, KeyRecord, RegistryFacts, RootRecord
from bonafides.verify.documents import Presentation, read_presentation
from bonafides.verify.holder import AskedFor, DealsWith, Holder
from bonafides.verify.outcome import Claims, Stage, StageOutcome, StageResult, Verification
from bonafides.verify.trust import TrustedModel, TrustFile, read_trust_file
from bonafides.verify.verifier import Policy, verify

__all__ = [
    "AskedFor",
    "ChainView",
    "Claims",
    "DealsWith",
    "Holder",
    "KeyRecord",
    "Policy",
    "Presentation",
    "RegistryFacts",
    "RootRecord",
    "Stage",
    "StageOutcome",
    "StageResult",
    "TrustFile",
    "TrustedModel",
    "Verification",
    "VerificationStatus",
    "read_presentation",
    "read_trust_file",
    "verify",
]
