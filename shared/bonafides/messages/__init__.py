"""The messages of the topics and their bytes."""

from bonafides.messages.codec import RefusedPart, decode, decode_parts, encode
from bonafides.messages.types import (
    MAX_EVENTS_PER_RECORD,
    MAX_POINTS_PER_RECORD,
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
    "MAX_EVENTS_PER_RECORD",
    "MAX_POINTS_PER_RECORD",
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
