"""The log right beside another one of the same contract.

Some contracts tell one thing in two logs with nothing in between: Compound mints with `Mint` and `Transfer`, Comet
supplies with `Supply` and `Transfer`. A distance of exactly one tells such a pair from two things of one transaction.
"""

from bonafides.errors import InvalidMessage

from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.reading import Reading
from bonafides_ingest.protocols.state import DeploymentState


def log_after[S: DeploymentState](reading: Reading[S], log: Log | None = None) -> Log | None:
    """The next log of the block, where the same contract emitted it; of `log`, or of the one that is read."""
    return _beside(reading, log or reading.log, 1)


def log_before[S: DeploymentState](reading: Reading[S], log: Log | None = None) -> Log | None:
    """The log before it in the block, where the same contract emitted it; of `log`, or of the one that is read."""
    return _beside(reading, log or reading.log, -1)


def decoded_if[T](log: Log | None, codec: EventCodec[T]) -> T | None:
    """What a log says where it is of this event and can be read. One that cannot is refused when its turn comes."""
    if log is None or log.topics[:1] != (codec.topic0,):
        return None
    try:
        return codec.decode(log)
    except InvalidMessage:
        return None


def _beside[S: DeploymentState](reading: Reading[S], log: Log, step: int) -> Log | None:
    wanted = log.position.log_index + step
    for other in reading.transaction:
        if other.position.log_index == wanted:
            return other if other.address == log.address and other.topics else None
    return None
