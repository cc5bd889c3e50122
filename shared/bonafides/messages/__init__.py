"""The messages of the topics and their bytes."""

from bonafides.messages.codec import RefusedPart, decode, decode_parts, encode
from bonafides.messages.types import (
    MAX_ACCOUNTS_PER_RECORD,
    MAX_EVENTS_PER_RECORD,
    MAX_POINTS_PER_RECORD,
    AccountBatch,
    AttestationChanged,
    DeadLetter,
    EventBatch,
    HistoryProgress,
    HistoryRequest,
    LogDeadLetter,
    MarketBatch,
    Message,
    ScoreIssued,
    ScoreWithdrawn,
    UnscorableIssued,
    WithdrawalKind,
)

__all__ = [
    "MAX_ACCOUNTS_PER_RECORD",
    "MAX_EVENTS_PER_RECORD",
    "MAX_POINTS_PER_RECORD",
    "AccountBatch",
    "AttestationChanged",
    "DeadLetter",
    "EventBatch",
    "HistoryProgress",
    "HistoryRequest",
    "LogDeadLetter",
    "MarketBatch",
    "Message",
    "RefusedPart",
    "ScoreIssued",
    "ScoreWithdrawn",
    "UnscorableIssued",
    "WithdrawalKind",
    "decode",
    "decode_parts",
    "encode",
]
