"""decode.*: our codecs against web3.py's `process_log` and against eth_abi, on the same logs, side by side.

The logs are those of a synthetic market on real Aave V3 bytecode, six events of the Pool in the mix in which they came.
Each side gets them as it has them at hand: ours as `Log`, web3.py as what its `get_logs` returns. The logs are cut into
as many slices as there are rounds, and every side decodes every slice once.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

from bonafides.errors import InvalidInput
from bonafides.types import Address
from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import EventCodec, load_codec
from bonafides_ingest.decoders.codec import AbiEvent, load_fragments
from eth_abi.abi import decode as eth_abi_decode
from hexbytes import HexBytes
from web3 import Web3
from web3.contract.contract import ContractEvent
from web3.datastructures import AttributeDict
from web3.types import LogReceipt

from benchmarks.harness import FEWEST_RUNS, Baseline, Better, Result, check_same, interleaved, median_ratio

ABI = "aave_v3_pool.json"
EVENTS = ("Supply", "Withdraw", "Borrow", "Repay", "LiquidationCall", "ReserveDataUpdated")
CHECKED_FIRST = 2_000

type Arguments = tuple[object, ...]
type Decoder = Callable[[Log], Arguments]


def wanted_topics() -> frozenset[bytes]:
    """Signatures of the six events."""
    return frozenset(load_codec(ABI, name).topic0 for name in EVENTS)


def measure(logs: Sequence[Log], rounds: int = FEWEST_RUNS) -> list[Result]:
    """All decode results over these logs, which are of the six events.

    Raises:
        InvariantViolation: two decoders read a log differently.
    """
    codecs: Mapping[bytes, EventCodec[Arguments]] = {codec.topic0: codec for codec in map(_codec, EVENTS)}
    mix = Counter(codecs[log.topics[0]].event.name for log in logs)
    if set(mix) != set(EVENTS):
        raise InvalidInput(f"the market gave {sorted(mix)}, expected logs of all of {sorted(EVENTS)}")
    theirs, per_word = _Web3Py(), _EthAbi()
    sample = logs[:: max(1, len(logs) // CHECKED_FIRST)]
    _check(sample, codecs, theirs, per_word)
    size = -(-len(logs) // rounds)
    slices = [
        [(log, theirs.receipt_of(log)) for log in logs[start : start + size]] for start in range(0, len(logs), size)
    ]

    def ours_over(given: Sequence[tuple[Log, LogReceipt]]) -> None:
        for log, _ in given:
            codecs[log.topics[0]].decode(log)

    def web3_over(given: Sequence[tuple[Log, LogReceipt]]) -> None:
        for _, receipt in given:
            theirs.process(receipt)

    def eth_abi_over(given: Sequence[tuple[Log, LogReceipt]]) -> None:
        for log, _ in given:
            per_word.decode(log)

    sides = {"ours": ours_over, "eth_abi": eth_abi_over, "web3": web3_over}
    seconds = interleaved(sides, slices)
    speed = {
        name: statistics.median(len(part) / s for part, s in zip(slices, taken, strict=True))
        for name, taken in seconds.items()
    }
    named = ", ".join(f"{name} {count:,}" for name, count in mix.most_common())
    note = (
        f"{len(logs):,} Aave V3 logs of 6 events ({named}) in {len(slices)} slices; both sides decode every slice; "
        f"{len(sample):,} logs compared field by field before"
    )
    return [
        Result(
            "decode.vs_process_log",
            median_ratio(seconds["web3"], seconds["ours"]),
            "ratio",
            Better.HIGHER,
            len(slices),
            note,
            Baseline("web3.py process_log", version("web3"), speed["web3"]),
        ),
        Result(
            "decode.vs_eth_abi",
            median_ratio(seconds["eth_abi"], seconds["ours"]),
            "ratio",
            Better.HIGHER,
            len(slices),
            f"one call for the data and one for each indexed argument; {note}",
            Baseline("eth_abi decode", version("eth-abi"), speed["eth_abi"]),
        ),
        Result("decode.logs_per_s", speed["ours"], "logs/s", Better.HIGHER, len(slices), f"one core; {note}"),
    ]


def _codec(name: str) -> EventCodec[Arguments]:
    return load_codec(ABI, name)


def _check(
    sample: Sequence[Log], codecs: Mapping[bytes, EventCodec[Arguments]], theirs: "_Web3Py", per_word: "_EthAbi"
) -> None:
    ours = [codecs[log.topics[0]].decode(log) for log in sample]
    check_same("web3.py", ours, [theirs.arguments_of(log) for log in sample])
    check_same("eth_abi", ours, [per_word.decode(log) for log in sample])


def _pool_events() -> dict[bytes, AbiEvent]:
    by_name = {event.name: event for fragment in load_fragments(ABI) for event in fragment.events}
    return {load_codec(ABI, name).topic0: by_name[name] for name in EVENTS}


class _Web3Py:
    """web3.py as one uses it: the contract's event object, and `process_log` of a log that `get_logs` gave."""

    def __init__(self) -> None:
        entries: list[dict[str, Any]] = [
            {"type": "event", "anonymous": False, "name": event.name, "inputs": [a.model_dump() for a in event.inputs]}
            for event in _pool_events().values()
        ]
        contract = Web3().eth.contract(abi=entries)
        self._events: dict[bytes, ContractEvent] = {
            topic: contract.events[event.name]() for topic, event in _pool_events().items()
        }
        self._inputs = {topic: event.inputs for topic, event in _pool_events().items()}

    def process(self, receipt: LogReceipt) -> Any:
        return self._events[bytes(receipt["topics"][0])].process_log(receipt)

    def arguments_of(self, log: Log) -> Arguments:
        """The arguments in the order of the ABI, with addresses as bytes."""
        found = self.process(self.receipt_of(log))["args"]
        return tuple(
            Address(bytes.fromhex(found[a.name][2:])) if a.type == "address" else found[a.name]
            for a in self._inputs[log.topics[0]]
        )

    @staticmethod
    def receipt_of(log: Log) -> LogReceipt:
        """The log as web3.py's own `get_logs` returns it."""
        place = log.position
        receipt = {
            "address": Web3.to_checksum_address(log.address),
            "topics": [HexBytes(topic) for topic in log.topics],
            "data": HexBytes(log.payload),
            "blockNumber": place.block.number,
            "blockHash": HexBytes(place.block.hash),
            "transactionHash": HexBytes(place.tx_hash),
            "transactionIndex": place.tx_index,
            "logIndex": place.log_index,
            "removed": False,
        }
        return cast("LogReceipt", AttributeDict(receipt))


class _EthAbi:
    """eth_abi by hand: one call for the data, one for each topic, types looked up ahead."""

    def __init__(self) -> None:
        self._types = {
            topic: (
                [[a.type] for a in event.inputs if a.indexed],
                [a.type for a in event.inputs if not a.indexed],
                [a.indexed for a in event.inputs],
                [a.type == "address" for a in event.inputs],
            )
            for topic, event in _pool_events().items()
        }

    def decode(self, log: Log) -> Arguments:
        indexed, plain, is_indexed, is_address = self._types[log.topics[0]]
        topics = iter([eth_abi_decode(kind, word)[0] for kind, word in zip(indexed, log.topics[1:], strict=True)])
        data = iter(eth_abi_decode(plain, log.payload))
        return tuple(
            [
                _raw(next(topics if of_topic else data)) if of_address else next(topics if of_topic else data)
                for of_topic, of_address in zip(is_indexed, is_address, strict=True)
            ]
        )


def _raw(address: str) -> Address:
    return Address(bytes.fromhex(address[2:]))
