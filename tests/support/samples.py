"""Well-formed values for tests, and the golden vectors made of them.

`python -m tests.support.samples` writes the vectors again. A diff in them changes a format that is dear to change.
"""

import json
from dataclasses import replace
from pathlib import Path

from bonafides import digests, messages
from bonafides.accounts import AccountFact
from bonafides.database import ROLES
from bonafides.events import (
    BlockRange,
    Boundary,
    BoundaryMark,
    DeploymentCoverage,
    ForkEpoch,
    Hydrated,
    LendingEvent,
    MarketPoint,
    Position,
    SubIndexKey,
    WalletDeadLetter,
    sub_index,
)
from bonafides.hashing import sha256
from bonafides.topics import TOPICS, partition_of
from bonafides.types import (
    AccountKind,
    Address,
    AdverseReason,
    AsOf,
    AttestationStatus,
    Band,
    BlockRef,
    ChainId,
    Digest,
    EventType,
    Finality,
    MarketPointKind,
    ModelClass,
    Protocol,
    Role,
    ScoreFlag,
    UnscorableReason,
    VerificationStatus,
)

CHAIN = ChainId(31337)
WALLET = Address(bytes.fromhex("a11ce000000000000000000000000000000000a1"))
OTHER = Address(bytes.fromhex("b0b00000000000000000000000000000000000b0"))
USDC = Address(bytes.fromhex("00000000000000000000000000000000000000c1"))
WETH = Address(bytes.fromhex("00000000000000000000000000000000000000e1"))
DEPLOYMENT = "aave-v3-local"
RAY = 10**27


def block(chain_id: ChainId = CHAIN, number: int = 100) -> BlockRef:
    """A block whose hash follows from its number."""
    return BlockRef(chain_id, number, sha256(b"block", number.to_bytes(8)), 1_760_000_000 + 12 * number)


def position(number: int = 100, log_index: int = 3) -> Position:
    """A place on the sample chain."""
    return Position(block(CHAIN, number), sha256(b"tx", number.to_bytes(8)), 1, log_index)


def event(number: int = 100, log_index: int = 3, *, wallet: Address = WALLET) -> LendingEvent:
    """A borrow of 1,000 USDC."""
    return LendingEvent(
        position=position(number, log_index),
        sub_index=sub_index(SubIndexKey(EventType.BORROWED, Role.OWNER)),
        fork_epoch=1,
        decoder_version=1,
        protocol=Protocol.AAVE_V3,
        deployment=DEPLOYMENT,
        type=EventType.BORROWED,
        role=Role.OWNER,
        wallet=wallet,
        counterparty=None,
        asset=USDC,
        amount=1_000_000_000,
    )


def events(count: int) -> list[LendingEvent]:
    """Borrows in consecutive blocks."""
    return [event(100 + number) for number in range(count)]


def liquidation() -> LendingEvent:
    """1,600 USDC repaid, 1.05 WETH seized."""
    return LendingEvent(
        position=position(120, 9),
        sub_index=sub_index(SubIndexKey(EventType.LIQUIDATED, Role.OWNER)),
        fork_epoch=1,
        decoder_version=1,
        protocol=Protocol.AAVE_V3,
        deployment=DEPLOYMENT,
        type=EventType.LIQUIDATED,
        role=Role.OWNER,
        wallet=WALLET,
        counterparty=OTHER,
        asset=USDC,
        amount=1_600_000_000,
        second_asset=WETH,
        second_amount=1_050_000_000_000_000_000,
        scaled_delta=-1,
        index_ray=RAY,
    )


def debt_set() -> LendingEvent:
    """A debt told whole, in an isolated market."""
    return replace(
        liquidation(),
        sub_index=sub_index(SubIndexKey(EventType.DEBT_SET, Role.OWNER)),
        protocol=Protocol.COMPOUND_V2,
        type=EventType.DEBT_SET,
        counterparty=None,
        amount=2_000_000_000,
        second_asset=None,
        second_amount=0,
        scaled_delta=0,
        index_ray=RAY * 5 // 4,
        market=sha256(b"market"),
    )


def stable_debt_set() -> LendingEvent:
    """A debt of 1,500 USDC at 5.5 % a year."""
    return replace(
        liquidation(),
        sub_index=sub_index(SubIndexKey(EventType.STABLE_DEBT_SET, Role.OWNER)),
        type=EventType.STABLE_DEBT_SET,
        counterparty=None,
        amount=1_500_000_000,
        second_asset=None,
        second_amount=0,
        scaled_delta=0,
        index_ray=RAY * 55 // 1_000,
    )


def price(number: int = 99, usd_1e8: int = 2_000 * 10**8) -> MarketPoint:
    """A price of WETH."""
    return MarketPoint(
        position=position(number, 0),
        sub_index=0,
        fork_epoch=1,
        decoder_version=1,
        deployment=DEPLOYMENT,
        kind=MarketPointKind.PRICE,
        asset=WETH,
        category=0,
        values=(usd_1e8,),
    )


def prices_of_one_answer() -> list[MarketPoint]:
    """One answer of a feed that prices two assets in two deployments: four facts of one log."""
    return [
        replace(price(), deployment=deployment, asset=asset)
        for deployment in ("aave-v3-other", DEPLOYMENT)
        for asset in (WETH, USDC)
    ]


def safe_of_two() -> AccountFact:
    """A Safe whose two owners must agree, as a log says."""
    return AccountFact(
        block=block(CHAIN, 100),
        tx_index=1,
        log_index=4,
        fork_epoch=1,
        decoder_version=1,
        source="safe-local",
        account=USDC,
        kind=AccountKind.SAFE,
        owners=(WALLET, OTHER),
        threshold=2,
    )


def contract() -> AccountFact:
    """A contract, as its code says."""
    return AccountFact(
        block=block(CHAIN, 130),
        tx_index=None,
        log_index=None,
        fork_epoch=1,
        decoder_version=1,
        source="",
        account=WETH,
        kind=AccountKind.CONTRACT,
    )


def coverage() -> DeploymentCoverage:
    """Complete but for one gap."""
    return DeploymentCoverage(DEPLOYMENT, CHAIN, 1, 1, 130, (BlockRange(50, 59),), 2)


def boundary() -> Boundary:
    """A finalized scoring boundary."""
    return Boundary(7, block(CHAIN, 130), Finality.FINALIZED, True, (ForkEpoch(1, 1),), (coverage(),))


def score_issued() -> messages.ScoreIssued:
    """A C with two reasons."""
    return messages.ScoreIssued(
        score_id=sha256(b"receipt"),
        wallets=(WALLET,),
        as_of=AsOf((block(CHAIN, 130),)),
        model_id=sha256(b"model"),
        model_class=ModelClass.SYNTHETIC,
        score=655,
        band=Band.C,
        pd_bps=120,
        coverage_digest=digests.coverage_digest([coverage()]),
        reasons=(AdverseReason.PAST_LIQUIDATIONS, AdverseReason.SHORT_HISTORY),
        flags=ScoreFlag.THIN_FILE,
    )


def one_of_each_message() -> list[messages.Message]:
    """Every message type once."""
    return [
        messages.EventBatch((event(), liquidation(), debt_set())),
        BoundaryMark(CHAIN, 7),
        Hydrated(WALLET, 1, block(CHAIN, 130), (coverage(),)),
        WalletDeadLetter(position(), DEPLOYMENT, WALLET, "dirty high bytes"),
        messages.MarketBatch((price(), replace(price(), market=sha256(b"market")))),
        messages.AccountBatch((safe_of_two(), contract())),
        boundary(),
        messages.HistoryRequest(sha256(b"request"), CHAIN, WALLET, 1_760_000_000),
        messages.HistoryProgress(sha256(b"request"), CHAIN, WALLET, 90, 130, False),
        score_issued(),
        messages.UnscorableIssued(
            sha256(b"result"),
            (WALLET,),
            AsOf((block(CHAIN, 130),)),
            sha256(b"model"),
            UnscorableReason.NO_CREDIT_HISTORY,
        ),
        messages.ScoreWithdrawn(sha256(b"receipt"), (WALLET,), messages.WithdrawalKind.RECALL, "model recalled"),
        messages.AttestationChanged(
            sha256(b"receipt"), sha256(b"attestation"), AttestationStatus.FINAL, 4, 1_760_604_800
        ),
        messages.DeadLetter(b"\x00\x01", "not an Avro single object", "wallet-events.v1", 5, 17, 1),
        messages.LogDeadLetter(position(), DEPLOYMENT, USDC, (Digest(b"\x11" * 32),), b"\x01", "short", 1),
    ]


def message_vectors() -> dict[str, str]:
    """Bytes of each message, hexadecimal, by type."""
    return {type(message).__name__: messages.encode(message).hex() for message in one_of_each_message()}


def digest_vectors() -> dict[str, str]:
    """Digests of the samples, hexadecimal."""
    return {
        "event_id": event().id.hex(),
        "as_of": digests.as_of_digest(AsOf((block(ChainId(1), 5), block(CHAIN, 130)))).hex(),
        "event_encoding": digests.encode_event(liquidation()).hex(),
        "event_encoding_in_a_market": digests.encode_event(debt_set()).hex(),
        "event_set": digests.event_set_digest([event(), liquidation()]).hex(),
        "event_set_empty": digests.event_set_digest([]).hex(),
        "account_fact_id": safe_of_two().id.hex(),
        "account_fact_id_of_code": contract().id.hex(),
        "market_point_id": price().id.hex(),
        "market_point_id_in_a_market": replace(price(), market=sha256(b"market")).id.hex(),
        "market": digests.market_digest([price()]).hex(),
        "market_point_encoding_in_a_market": digests.encode_market_point(
            replace(price(), market=sha256(b"market"))
        ).hex(),
        "market_of_one_answer": digests.market_digest(prices_of_one_answer()).hex(),
        "coverage": digests.coverage_digest([coverage()]).hex(),
        "features": digests.feature_digest(sha256(b"schema"), [0.1, -1.0, float("nan"), 3e38]).hex(),
        "wallets": digests.wallets_encoding([OTHER, WALLET]).hex(),
    }


def word_vectors() -> dict[str, object]:
    """Every closed enum with its words and numbers, the topics, and the database roles: none may change in place."""
    closed = (
        AccountKind,
        AdverseReason,
        AttestationStatus,
        Band,
        EventType,
        Finality,
        MarketPointKind,
        ModelClass,
        Protocol,
        Role,
        UnscorableReason,
        VerificationStatus,
        messages.WithdrawalKind,
    )
    return {
        **{words.__name__: [member.value for member in words] for words in closed},
        "EventType.code": {kind.value: kind.code for kind in EventType},
        "Role.code": {role.value: role.code for role in Role},
        "MarketPointKind.code": {kind.value: kind.code for kind in MarketPointKind},
        "ScoreFlag": {flag.name: flag.value for flag in ScoreFlag},
        "topics": {topic.name: [topic.partitions, topic.retention_ms] for topic in TOPICS},
        "partitions": {wallet.hex(): partition_of(wallet, TOPICS[0]) for wallet in (WALLET, OTHER, USDC, WETH)},
        "roles": list(ROLES),
    }


def write_vectors(folder: Path) -> None:
    """Write the golden files again."""
    for name, vectors in (
        ("messages", message_vectors()),
        ("digests", digest_vectors()),
        ("words", word_vectors()),
    ):
        (folder / f"{name}.json").write_text(json.dumps(vectors, indent=2) + "\n")


if __name__ == "__main__":
    write_vectors(Path(__file__).parents[1] / "vectors")
