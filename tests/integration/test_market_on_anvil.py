"""The demo's market on a real node: the counts it promises, and books that equal the contracts'."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from bonafides.errors import InvalidInput, Unavailable
from bonafides.json_rpc import member, quantity
from bonafides.types import address_text
from bonafides_lab.market.actions import Verb
from bonafides_lab.market.habits import Kind
from bonafides_lab.market.people import DEMO_COUNTS
from bonafides_lab.market.play import PlayedMarket, genesis_timestamp, play
from bonafides_lab.market.truth import TrueBalance, read_account_data, read_balances
from bonafides_lab.market.wallets import private_key
from bonafides_lab.stack.anvil_rpc import AnvilRpc

from tests.support.market_chains import aave_artifacts_or_skip, anvil_from

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Played:
    market: PlayedMarket
    url: str
    rpc: AnvilRpc
    end_timestamp: int
    progress: list[tuple[int, int]]

    def balances(self) -> list[TrueBalance]:
        wallets = [wallet.address for wallet in self.market.wallets]
        return read_balances(self.rpc, self.market.deployment, wallets, quantity(self.rpc.call("eth_blockNumber")))

    def debt_of(self, kind: Kind) -> int:
        addresses = {wallet.address for wallet in self.market.of_kind(kind)}
        return sum(balance.debt for balance in self.balances() if balance.wallet in addresses)


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    artifacts = aave_artifacts_or_skip()
    end = int(time.time()) - 60
    steps: list[tuple[int, int]] = []
    with anvil_from(genesis_timestamp(end)) as url:
        market = play(url, artifacts, end_timestamp=end, progress=lambda done, of: steps.append((done, of)))
        rpc = AnvilRpc(url)
        yield Played(market, url, rpc, end, steps)
        rpc.close()


def test_play__demo_seed__meets_the_promised_counts(played: Played) -> None:
    market = played.market

    assert market.aave_transactions >= 400
    assert market.liquidations >= 5
    assert sum(len(market.of_kind(kind)) for kind in DEMO_COUNTS) >= 40
    assert all(market.of_kind(kind) for kind in DEMO_COUNTS)
    assert market.reverted == 0


def test_play__demo_seed__every_kind_of_transaction_happened(played: Played) -> None:
    # Switching collateral on again needs a liquidation to the last unit, which this market has or has not; nobody in it
    # has several wallets, of which one supplies for the others.
    seldom = {Verb.COLLATERAL_ON, Verb.SUPPLY_ON_BEHALF}
    assert {verb for verb, count in played.market.transactions.items() if count > 0} >= set(Verb) - seldom


def test_play__on_two_cores__takes_less_than_25_seconds(played: Played) -> None:
    assert played.market.seconds < 25


def test_play__progress__counts_every_day_to_the_end(played: Played) -> None:
    assert played.progress == [(day, 365) for day in range(1, 366)]


def test_play__last_block__is_exactly_at_the_end(played: Played) -> None:
    block = played.rpc.call("eth_getBlockByNumber", "latest", False)

    assert quantity(member(block, "timestamp")) == played.end_timestamp


def test_play__liquidations__are_in_the_logs_of_the_pool(played: Played) -> None:
    liquidation_call = "0xe413a321e8681d831f4dbccbca790d2952b56f977908e45be37335533e005286"
    pool = address_text(played.market.deployment.pool)

    logs = played.rpc.call("eth_getLogs", {"fromBlock": "0x0", "address": pool, "topics": [liquidation_call]})

    assert isinstance(logs, list)
    assert len(logs) == played.market.liquidations


def test_play__repaid_all_and_leavers__owe_nothing(played: Played) -> None:
    assert played.debt_of(Kind.REPAID_ALL) == 0
    assert played.debt_of(Kind.LEAVER) == 0
    assert played.debt_of(Kind.CAREFUL) > 0


def test_play__lender__has_supply_and_never_had_debt(played: Played) -> None:
    lender = played.market.of_kind(Kind.LENDER)[0].address
    lender_topic = "0x" + lender.rjust(32, b"\0").hex()
    borrow = "0xb3d084820fb1a9decffb176436bd02558d15fac9b0ddfed8c465bc7359d7dce0"

    logs = played.rpc.call("eth_getLogs", {"fromBlock": "0x0", "topics": [borrow, None, lender_topic]})

    assert logs == []
    assert sum(balance.supply for balance in played.balances() if balance.wallet == lender) > 0


def test_read_account_data__indebted_wallet__agrees_with_its_balances(played: Played) -> None:
    wallet = played.market.of_kind(Kind.CAREFUL)[0].address
    block = quantity(played.rpc.call("eth_blockNumber"))

    account = read_account_data(played.rpc, played.market.deployment, [wallet], block)[0]

    owes = any(balance.debt > 0 for balance in played.balances() if balance.wallet == wallet)
    assert (account.debt_base > 0) == owes
    assert account.health_factor_wad > 10**18


def test_private_key__of_a_borrower__signs_as_its_address(played: Played) -> None:
    from eth_account import Account

    wallet = played.market.wallets[0]

    account = Account.from_key(private_key(played.market.seed, wallet.role))

    assert bytes.fromhex(account.address[2:]) == wallet.address


def test_play__afterwards__anvil_mines_by_itself_and_checks_signatures(played: Played) -> None:
    assert played.rpc.call("anvil_getAutomine") is True
    wallet = address_text(played.market.wallets[0].address)

    with pytest.raises(InvalidInput, match=r"eth_sendTransaction"):
        played.rpc.call("eth_sendTransaction", {"from": wallet, "to": wallet})


def test_play__chain_already_past_the_start__is_refused_with_the_timestamp_to_use(played: Played) -> None:
    with pytest.raises(InvalidInput, match=r"start anvil with --timestamp \d+"):
        play(played.url, aave_artifacts_or_skip(), end_timestamp=played.end_timestamp)


def test_play__nobody_listens__says_so() -> None:
    with pytest.raises(Unavailable, match="anvil"):
        play("http://127.0.0.1:9", aave_artifacts_or_skip(), end_timestamp=2_000_000_000)
