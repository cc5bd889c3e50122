"""web3.py, which no code of ours uses, reads the same chain: our adapters and decoders must say what it says."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from bonafides.events import BlockRange
from bonafides.hashing import keccak
from bonafides.json_rpc import JsonRpc
from bonafides.types import Address, ChainId, Digest, address_text
from bonafides.verify.chain import KeyRecord, RootRecord
from bonafides.verify.rpc import RpcChainView
from bonafides.verify.typed_data import Domain
from bonafides_attestation.abi import registry_artifact
from bonafides_attestation.chain import Chain, Reverted, SendOutcome
from bonafides_attestation.deployment import NodeDeployer, deploy_registry
from bonafides_attestation.fees import Fees
from bonafides_attestation.registry import Registry, error_name, publish_call, revoke_call
from bonafides_attestation.transactions import TransactionSigner
from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.aave_v3 import events as aave_v3_events
from bonafides_ingest.sources.rpc import RpcSource
from bonafides_lab.stack.anvil import LocalAnvil
from bonafides_lab.stack.anvil_rpc import AnvilRpc
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError
from web3.types import LogReceipt

from tests.support.attestation_service_samples import SIGNER
from tests.support.ingest_market import LiveMarket, played_market
from tests.support.market_chains import aave_artifacts_or_skip
from tests.support.stack_processes import is_true_within

pytestmark = pytest.mark.integration

DEPLOYER = Address(bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266"))  # anvil's first account
ROOTS = [(Digest(keccak(b"first root")), 100), (Digest(keccak(b"second root")), 7)]
REVOKED = [3, 104]
FEES = Fees(max_fee_wei=10**11, tip_wei=10**9)


def web3_of(url: str) -> Web3:
    return Web3(HTTPProvider(url, request_kwargs={"proxies": {"http": "", "https": ""}}))


@dataclass(frozen=True)
class Published:
    """A registry with two roots and two revocations, made by our publisher's code, and web3's view of it."""

    registry: Registry
    view: RpcChainView
    publisher: Address
    theirs: Any
    """web3's contract object."""


@pytest.fixture
def published(fresh_anvil: LocalAnvil) -> Published:
    rpc = JsonRpc(fresh_anvil.address, 10)
    secret = keccak(b"a publisher of this test")
    publisher = TransactionSigner(secret, Domain(ChainId(0), DEPLOYER)).address
    fresh_anvil.rpc.call("anvil_setBalance", address_text(publisher), hex(10**18))
    made = deploy_registry(rpc, NodeDeployer(DEPLOYER), attester=SIGNER.address, publisher=publisher)
    domain = Domain(ChainId(made.chain_id), made.registry)
    registry, signer = Registry(Chain(rpc), domain), TransactionSigner(secret, domain)
    calls = [publish_call(root, size, epoch) for epoch, (root, size) in enumerate(ROOTS, start=1)]
    for nonce, call_data in enumerate([*calls, revoke_call(REVOKED)]):
        signed = signer.sign(call_data, nonce, registry.estimate_gas(publisher, call_data), FEES)
        assert registry.chain.send_raw(signed.raw_tx) == (SendOutcome.ACCEPTED, "")
        _wait_until_mined(registry.chain, publisher, nonce + 1)
    fresh_anvil.rpc.mine(4)  # final
    web3 = web3_of(fresh_anvil.address)
    theirs = web3.eth.contract(Web3.to_checksum_address(address_text(made.registry)), abi=registry_artifact().abi)
    return Published(registry, RpcChainView(fresh_anvil.address), publisher, theirs)


def _wait_until_mined(chain: Chain, account: Address, count: int) -> None:
    # Mined at once, but not always before the answer to the sender.
    assert is_true_within(10, lambda: chain.transaction_count(account) == count)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def test_registry_adapter__after_publications__reads_what_web3_reads(published: Published) -> None:
    ours, theirs = published.registry, published.theirs.functions

    for root, _ in ROOTS:
        record = ours.root_record(root)
        assert record is not None
        assert record == RootRecord(*theirs.rootRecord(root).call())
    assert ours.root_record(Digest(bytes(31) + b"\x01")) is None
    assert ours.key_record(SIGNER.address) == KeyRecord(*theirs.keyRecord(SIGNER.address).call())
    state = ours.state()
    assert (state.epoch, state.next_index, state.is_paused) == (
        theirs.epoch().call(),
        theirs.nextIndex().call(),
        theirs.paused().call(),
    )
    assert state.publisher == published.publisher == _bytes(theirs.publisher().call())
    assert [ours.is_revoked(index) for index in range(107)] == [theirs.isRevoked(index).call() for index in range(107)]
    assert [index for index in range(107) if ours.is_revoked(index)] == REVOKED


@pytest.mark.parametrize("index", [0, 3, 104, 106])
def test_chain_view__of_each_root__reads_what_web3_reads(published: Published, index: int) -> None:
    for root, _ in ROOTS:
        facts = published.view.registry_facts(published.registry.domain.registry, root, SIGNER.address, index)
        lookup = published.theirs.functions.lookup(root, SIGNER.address, index)

        words = _flat(lookup.call())
        assert facts.root_at_head == RootRecord(*words[:4])
        assert facts.root == RootRecord(*_flat(lookup.call(block_identifier="finalized"))[:4])
        assert facts.key == KeyRecord(*words[4:7])
        assert facts.revoked is bool(words[7]) is (index in REVOKED)
    assert published.view.chain_id() == published.theirs.w3.eth.chain_id


def _flat(values: Any) -> list[Any]:
    """Structs and lone values of an answer, word by word."""
    return [word for value in values for word in (_flat(value) if isinstance(value, list | tuple) else [value])]


def test_find_publication__of_each_root__is_web3s_event(published: Published) -> None:
    events = published.theirs.events.RootPublished().get_logs(from_block=0)

    assert [bytes(event["args"]["root"]) for event in events] == [root for root, _ in ROOTS]
    for event in events:
        found = published.registry.find_publication(Digest(bytes(event["args"]["root"])), 0)
        assert found is not None
        assert (found.epoch, found.first_index, found.count) == tuple(
            event["args"][name] for name in ("epoch", "firstIndex", "count")
        )
        assert (found.tx_hash, found.block_hash) == (bytes(event["transactionHash"]), bytes(event["blockHash"]))
        assert found.block_number == event["blockNumber"]


def test_error_name__of_a_refused_publication__is_the_error_that_web3_saw(published: Published) -> None:
    root, size = ROOTS[0]

    with pytest.raises(Reverted) as ours:
        published.registry.simulate(published.publisher, publish_call(root, size, 3))
    with pytest.raises(ContractCustomError) as theirs:
        published.theirs.functions.publishRoot(root, size, 3).call(
            {"from": Web3.to_checksum_address(address_text(published.publisher))}
        )

    assert error_name(ours.value) == "RootAlreadyPublished"
    assert ours.value.data == _bytes(str(theirs.value.data))


CODECS: Mapping[bytes, EventCodec[Any]] = {
    codec.topic0: codec for codec in vars(aave_v3_events).values() if isinstance(codec, EventCodec)
}
SEEN_IN_EVERY_MARKET = {
    "Supply", "Withdraw", "Borrow", "Repay", "LiquidationCall", "ReserveDataUpdated", "ReserveUsedAsCollateralEnabled",
    "ReserveUsedAsCollateralDisabled", "Mint", "Burn", "BalanceTransfer", "Initialized", "ReserveInitialized",
    "CollateralConfigurationChanged", "AssetSourceUpdated", "AnswerUpdated", "PriceOracleUpdated",
}  # fmt: skip


@pytest.fixture(scope="module")
def live(stack_folder: Path) -> Iterator[LiveMarket]:
    with played_market(stack_folder / "web3-oracle", days=120) as market:
        yield market


def _package_abi(contract: str) -> Any:
    """The whole ABI as Aave's npm package ships it, not the fragments that our decoders are made from."""
    folder = aave_artifacts_or_skip().folder
    (path,) = [path for path in folder.rglob(f"{contract}.json") if path.parent.name.endswith(".sol")]
    return json.loads(path.read_text())["abi"]


def _contracts(web3: Web3, live: LiveMarket) -> dict[Address, Any]:
    market = live.market.deployment
    feed = json.loads((files("bonafides_lab.market") / "contracts" / "Feed.json").read_text())["abi"]
    abis = {
        market.pool: _package_abi("Pool"),
        market.configurator: _package_abi("PoolConfigurator"),
        market.oracle: _package_abi("AaveOracle"),
        market.provider: _package_abi("PoolAddressesProvider"),
    }
    a_token, debt_token = _package_abi("AToken"), _package_abi("VariableDebtToken")
    for reserve in market.reserves:
        abis |= {reserve.a_token: a_token, reserve.variable_debt_token: debt_token, reserve.feed: feed}
    return {
        address: web3.eth.contract(Web3.to_checksum_address(address_text(address)), abi=abi)
        for address, abi in abis.items()
    }


def test_decoders__every_log_of_a_played_market__give_what_process_log_gives(live: LiveMarket) -> None:
    web3, end = web3_of(live.url), live.finalized()
    contracts = _contracts(web3, live)
    rpc = AnvilRpc(live.url)
    source = RpcSource(rpc, live.market.deployment.chain_id, window_blocks=end, bloom_check_blocks=0)

    ours = source.fetch(BlockRange(1, end), frozenset(contracts), None).logs
    theirs = web3.eth.get_logs(
        {"fromBlock": 1, "toBlock": end, "address": [contract.address for contract in contracts.values()]}
    )
    rpc.close()

    assert [_place(log) for log in ours] == [_place_of(log) for log in theirs]
    seen: Counter[str] = Counter()
    for log, receipt in zip(ours, theirs, strict=True):
        codec = CODECS.get(log.topics[0])
        if codec is None:
            continue
        event = contracts[log.address].events[codec.event.signature]()
        arguments = event.process_log(receipt)["args"]
        expected = tuple(_value(arguments[entry.name], entry.type) for entry in codec.event.inputs)
        assert codec.decode(log) == expected, codec.event.signature
        seen[codec.event.name] += 1
    assert set(seen) >= SEEN_IN_EVERY_MARKET, SEEN_IN_EVERY_MARKET - set(seen)


def _place(log: Log) -> tuple[Any, ...]:
    at = log.position
    where = (at.block.number, bytes(at.block.hash), bytes(at.tx_hash), at.tx_index, at.log_index)
    return (*where, bytes(log.address), tuple(bytes(topic) for topic in log.topics), log.payload)


def _place_of(log: LogReceipt) -> tuple[Any, ...]:
    where = (log["blockNumber"], bytes(log["blockHash"]), bytes(log["transactionHash"]))
    content = (_bytes(log["address"]), tuple(bytes(topic) for topic in log["topics"]), bytes(log["data"]))
    return (*where, log["transactionIndex"], log["logIndex"], *content)


def _value(value: Any, kind: str) -> object:
    return _bytes(value) if kind == "address" else value
