"""The words of the system as types: identifiers, block references and the closed enums.

Every enum here is closed and shared, word for word, by Python, JavaScript, Solidity and OpenAPI. Numbers that stand in
bytes (`EventType.code`, `Role.code`, `ScoreFlag`) are never renumbered; a new member gets a new number.
"""

from dataclasses import dataclass
from enum import IntFlag, StrEnum
from typing import NewType

from bonafides.errors import InvalidInput

ChainId = NewType("ChainId", int)
"""EIP-155 chain id, 1 ≤ id < 2**64."""
Address = NewType("Address", bytes)
"""20 bytes. A wallet, a token or a contract."""
Digest = NewType("Digest", bytes)
"""32 bytes."""
type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
"""Whatever JSON can hold."""

ZERO_ADDRESS = Address(bytes(20))
ZERO_DIGEST = Digest(bytes(32))


def parse_address(text: str) -> Address:
    """Read `0x` and 40 hexadecimal digits, in any case; a wrong EIP-55 checksum in mixed case is refused.

    Raises:
        InvalidInput: the text is no address; the message never repeats it, since it may end up in a log.
    """
    if len(text) != 42 or not text.startswith(("0x", "0X")):
        raise InvalidInput(f"not an address: expected 0x and 40 hexadecimal digits, saw {len(text)} characters")
    body = text[2:]
    try:
        raw = bytes.fromhex(body)
    except ValueError as exc:
        raise InvalidInput("not an address: expected 0x and 40 hexadecimal digits, saw another character") from exc
    if len(raw) != 20:
        raise InvalidInput("not an address: expected 0x and 40 hexadecimal digits, saw white space between them")
    if body not in (body.lower(), body.upper()):
        from bonafides.hashing import checksum_address

        if checksum_address(Address(raw))[2:] != body:
            raise InvalidInput("not an address: its EIP-55 checksum is wrong; check for a typing error")
    return Address(raw)


def address_text(address: bytes) -> str:
    """Lower-case `0x` form of an address."""
    return "0x" + address.hex()


@dataclass(frozen=True, slots=True, order=True)
class BlockRef:
    """One block of one chain, named so that nobody can mean another one."""

    chain_id: ChainId
    number: int
    hash: Digest
    timestamp: int
    """Unix seconds, as the chain says."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """One block of every chain of the deployments registry, sorted by chain id: the moment a score speaks of."""

    blocks: tuple[BlockRef, ...]

    def __post_init__(self) -> None:
        chains = [block.chain_id for block in self.blocks]
        if not chains or chains != sorted(set(chains)):
            raise InvalidInput(f"an AsOf names each chain once, in ascending order; saw chains {chains}")

    @property
    def time(self) -> int:
        """The oldest of the timestamps, Unix seconds: nothing later than this is known on every chain."""
        return min(block.timestamp for block in self.blocks)


class Protocol(StrEnum):
    """Lending protocols that have a folder under `bonafides_ingest/protocols/`; forks count as their origin."""

    AAVE_V2 = "aave_v2"
    AAVE_V3 = "aave_v3"
    COMPOUND_V2 = "compound_v2"
    COMPOUND_V3 = "compound_v3"
    MORPHO_BLUE = "morpho_blue"
    MAKER = "maker"


class EventType(StrEnum):
    """What happened to a position, in the words of Messari's lending schema, and the ledger entries behind it."""

    SUPPLIED = "supplied"
    WITHDRAWN = "withdrawn"
    BORROWED = "borrowed"
    REPAID = "repaid"
    LIQUIDATED = "liquidated"
    BAD_DEBT = "bad_debt"
    COLLATERAL_ENABLED = "collateral_enabled"
    COLLATERAL_DISABLED = "collateral_disabled"
    TRANSFERRED = "transferred"
    """A supply position that moved to another wallet."""
    SUPPLY_BALANCE = "supply_balance"
    """A ledger entry: the wallet's scaled supply balance changed by `scaled_delta`."""
    DEBT_BALANCE = "debt_balance"
    """A ledger entry: the wallet's scaled debt balance changed by `scaled_delta`."""
    EMODE_SET = "emode_set"
    DEBT_SET = "debt_set"
    """A ledger entry that tells the debt after it instead of its change: `amount` at `index_ray`."""
    STABLE_DEBT_SET = "stable_debt_set"
    """A ledger entry that tells a debt at a stable rate after it: `amount` is its principal, interest up to then
    included, and `index_ray` its annual rate in ray, 0 where the entry leaves the rate as it was."""

    @property
    def code(self) -> int:
        """The number that stands in digests; never renumbered."""
        return _EVENT_TYPE_CODES[self]


_EVENT_TYPE_CODES = {
    EventType.SUPPLIED: 1,
    EventType.WITHDRAWN: 2,
    EventType.BORROWED: 3,
    EventType.REPAID: 4,
    EventType.LIQUIDATED: 5,
    EventType.BAD_DEBT: 6,
    EventType.COLLATERAL_ENABLED: 7,
    EventType.COLLATERAL_DISABLED: 8,
    EventType.TRANSFERRED: 9,
    EventType.SUPPLY_BALANCE: 10,
    EventType.DEBT_BALANCE: 11,
    EventType.EMODE_SET: 12,
    EventType.DEBT_SET: 13,
    EventType.STABLE_DEBT_SET: 14,
}


class Role(StrEnum):
    """How the wallet of an event stands to it. An event that touches two wallets is one event per role."""

    OWNER = "owner"
    """The wallet whose position it is: the debtor, the supplier, the liquidated borrower."""
    PAYER = "payer"
    """Paid or called on behalf of the owner, and is another wallet."""
    RECIPIENT = "recipient"
    """Received what the owner borrowed or withdrew, and is another wallet."""
    LIQUIDATOR = "liquidator"
    SENDER = "sender"
    RECEIVER = "receiver"

    @property
    def code(self) -> int:
        """The number that stands in digests; never renumbered."""
        return _ROLE_CODES[self]


_ROLE_CODES = {
    Role.OWNER: 1,
    Role.PAYER: 2,
    Role.RECIPIENT: 3,
    Role.LIQUIDATOR: 4,
    Role.SENDER: 5,
    Role.RECEIVER: 6,
}


class AccountKind(StrEnum):
    """What an address is. The first four are told by its code or the registry, the others by the logs of a factory."""

    EXTERNALLY_OWNED = "externally_owned"
    """No code: a key's own account, or an address that nobody has used yet."""
    CONTRACT = "contract"
    DELEGATED = "delegated"
    """A key's account that runs a contract's code (EIP-7702)."""
    GATEWAY = "gateway"
    """A contract of a protocol that acts for whoever calls it: nobody's wallet."""
    DS_PROXY = "ds_proxy"
    SAFE = "safe"
    URN = "urn"
    """A position of Maker, kept under an address of its own."""

    @property
    def is_linked(self) -> bool:
        """Whether such an account belongs to others, whom logs name."""
        return self in (AccountKind.DS_PROXY, AccountKind.SAFE, AccountKind.URN)


class MarketPointKind(StrEnum):
    """Facts of a market that no wallet owns."""

    PRICE = "price"
    RESERVE_INDEX = "reserve_index"
    RESERVE_CONFIG = "reserve_config"
    EMODE_CONFIG = "emode_config"
    EMODE_ASSET = "emode_asset"
    ROUNDING = "rounding"

    @property
    def code(self) -> int:
        """The number that stands in digests; never renumbered."""
        return _MARKET_POINT_CODES[self]


_MARKET_POINT_CODES = {
    MarketPointKind.PRICE: 1,
    MarketPointKind.RESERVE_INDEX: 2,
    MarketPointKind.RESERVE_CONFIG: 3,
    MarketPointKind.EMODE_CONFIG: 4,
    MarketPointKind.EMODE_ASSET: 5,
    MarketPointKind.ROUNDING: 6,
}


class Finality(StrEnum):
    """How sure a block is. Only what is finalized gets a receipt and can be attested."""

    HEAD = "head"
    SAFE = "safe"
    FINALIZED = "finalized"


class Band(StrEnum):
    """Bands of the score: A ≥ 750, B ≥ 700, C ≥ 650, D ≥ 600, E below."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"


BAND_FLOORS = {Band.A: 750, Band.B: 700, Band.C: 650, Band.D: 600, Band.E: 300}


def band_of(score: int) -> Band:
    """The band of a score in 300..850."""
    return next(band for band, floor in BAND_FLOORS.items() if score >= floor or band is Band.E)


class UnscorableReason(StrEnum):
    """Why a wallet has no score. Never an invented number instead."""

    NO_CREDIT_HISTORY = "no_credit_history"
    """It never had debt."""
    HISTORY_INCOMPLETE = "history_incomplete"
    """A gap in range or a dead letter of this wallet: "not scanned" must never look like "never liquidated"."""
    PRICE_UNKNOWN = "price_unknown"
    """An asset of its open position, or one that it borrowed in the last 30 days, has no price at the as-of block."""
    POSITION_UNKNOWN = "position_unknown"
    """It has borrowed in a protocol that does not log what is owed: there may be a debt that nobody can tell."""


class ScoreFlag(IntFlag):
    """Flags of a score. The low 16 bits stand in the signed struct; the high ones are never attested."""

    NONE = 0
    REFERENCE_POSITION = 1
    """The wallet has no open debt and was scored at the reference position of the model manifest."""
    THIN_FILE = 2
    DISPUTED = 4
    STALE = 1 << 16
    PARTIAL_COVERAGE = 1 << 17


ATTESTABLE_FLAGS = ScoreFlag.REFERENCE_POSITION | ScoreFlag.THIN_FILE | ScoreFlag.DISPUTED


def flag_names(flags: ScoreFlag) -> list[str]:
    """Lower-case names of the flags set, in ascending order of their bits: the words of the API and the trust file."""
    return [flag.name.lower() for flag in ScoreFlag if flag and flag in flags and flag.name]


class AdverseReason(StrEnum):
    """Stable codes of what held a score back, one per feature family of the scorecard; at most four are shown."""

    HIGH_LEVERAGE = "high_leverage"
    THIN_SAFETY_MARGIN = "thin_safety_margin"
    VOLATILE_COLLATERAL = "volatile_collateral"
    CONCENTRATED_COLLATERAL = "concentrated_collateral"
    PAST_LIQUIDATIONS = "past_liquidations"
    RECENT_LIQUIDATION = "recent_liquidation"
    SHORT_HISTORY = "short_history"
    LITTLE_REPAYMENT = "little_repayment"
    RECENT_BORROWING = "recent_borrowing"
    COLLATERAL_WITHDRAWN = "collateral_withdrawn"
    LARGE_DEBT = "large_debt"
    LOW_ACTIVITY = "low_activity"
    FREQUENT_BORROWING = "frequent_borrowing"
    RISING_LEVERAGE = "rising_leverage"
    UNUSUAL_PATTERN = "unusual_pattern"


class ModelClass(StrEnum):
    """What a model was trained on. A synthetic model is never attested outside listed development chains."""

    SYNTHETIC = "synthetic"
    REAL = "real"


class AttestationStatus(StrEnum):
    """The life of an attestation, from the issuer's commitment to a finalized root."""

    BUILT = "built"
    SIGNED = "signed"
    QUEUED = "queued"
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"
    STUCK = "stuck"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    TOMBSTONE = "tombstone"
    REFUSED = "refused"
    """The issuer's policy says no: there is no document, and the id stands for that answer alone."""


class VerificationStatus(StrEnum):
    """The verifier's answer. The first failing check names it, in the order of this list.

    If none fails, the first that could not be made does (`HOLDER_UNCHECKED`, `NEEDS_CHAIN`, `ROOT_UNCHECKED`): so these
    say that nothing failed, and something was not looked at. Lend on `VALID` only.
    """

    VALID = "VALID"
    MALFORMED = "MALFORMED"
    UNTRUSTED_ISSUER = "UNTRUSTED_ISSUER"
    UNTRUSTED_MODEL = "UNTRUSTED_MODEL"
    FLAG_NOT_ACCEPTED = "FLAG_NOT_ACCEPTED"
    SYNTHETIC_ON_LIVE_CHAIN = "SYNTHETIC_ON_LIVE_CHAIN"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNTRUSTED_KEY = "UNTRUSTED_KEY"
    KEY_REVOKED = "KEY_REVOKED"
    BAD_DISCLOSURE = "BAD_DISCLOSURE"
    HOLDER_MISMATCH = "HOLDER_MISMATCH"
    AUDIENCE_MISMATCH = "AUDIENCE_MISMATCH"
    """The holder signed for another audience or nonce: perhaps a replay."""
    PRESENTATION_EXPIRED = "PRESENTATION_EXPIRED"
    """The holder's own signature is too old; the attestation may still be valid."""
    HOLDER_UNCHECKED = "HOLDER_UNCHECKED"
    NEEDS_CHAIN = "NEEDS_CHAIN"
    NOT_YET_VALID = "NOT_YET_VALID"
    EXPIRED = "EXPIRED"
    NOT_INCLUDED = "NOT_INCLUDED"
    ROOT_UNCHECKED = "ROOT_UNCHECKED"
    ROOT_UNKNOWN = "ROOT_UNKNOWN"
    REVOKED = "REVOKED"


DEVELOPMENT_CHAINS = frozenset({ChainId(31337), ChainId(1337)})
"""Local chains of anvil, Hardhat and Ganache: the only ones on which a synthetic model may be attested."""
