"""A small Aave market on pyrevm in which a test moves every piece itself."""

from bonafides.types import Address, ChainId
from bonafides_lab.market import methods
from bonafides_lab.market.actions import Action, transaction_of
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.calldata import MAX_UINT256, words
from bonafides_lab.market.deployment import deploy_market
from bonafides_lab.market.pyrevm_chain import EmittedBlock, EmittedLog, PyrevmChain
from bonafides_lab.market.reserves import RESERVES

START = 1_700_000_000
BLOCK_S = 12
USD = 10**8


class KeptBlocks:
    """A sink that keeps every block."""

    def __init__(self) -> None:
        self.blocks: list[EmittedBlock] = []

    def take(self, block: EmittedBlock) -> None:
        self.blocks.append(block)


class Bench:
    """Real Aave V3 with prices set by hand: WETH at $3,000, WBTC at $60,000, stablecoins at $1."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._sink = KeptBlocks()
        self.chain = PyrevmChain(ChainId(31337), seed=1, sink=self._sink)
        prices = [3_000 * USD, 60_000 * USD, USD, USD]
        self.deployment = deploy_market(self.chain, artifacts, seed=1, start_timestamp=START, start_prices=prices)
        self._timestamp = self.deployment.ready_timestamp

    def act(self, *actions: Action) -> list[EmittedLog]:
        """One block with these actions, all of which must succeed; returns the logs of the last."""
        self._mine([(action.sender, *transaction_of(action, self.deployment)) for action in actions])
        return list(self._sink.blocks[-1].transactions[-1].logs)

    def fund(self, wallet: Address, reserve: int) -> None:
        """Give the wallet a million whole tokens and let the pool take them."""
        token = self.deployment.reserves[reserve].token
        units = 10**6 * 10 ** RESERVES[reserve].decimals
        approval = methods.APPROVE(self.deployment.pool, MAX_UINT256)
        self._mine([(wallet, token, methods.MINT(units)), (wallet, token, approval)])

    def set_price(self, reserve: int, usd: int) -> None:
        """Post a price in whole dollars."""
        feed = self.deployment.reserves[reserve].feed
        self._mine([(self.deployment.admin, feed, methods.SET_PRICE(usd * USD))])

    def pass_time(self, seconds: int) -> None:
        """Let the next block be this much later."""
        self._timestamp += seconds

    def balance(self, token: Address, wallet: Address) -> int:
        return words(self.chain.calls([(token, methods.BALANCE_OF(wallet))])[0])[0]

    def health_factor(self, wallet: Address) -> float:
        """As the pool says."""
        answer = self.chain.calls([(self.deployment.pool, methods.ACCOUNT_DATA(wallet))])[0]
        return words(answer)[5] / 1e18

    def _mine(self, transactions: list[tuple[Address, Address, bytes]]) -> None:
        self._timestamp += BLOCK_S
        self.chain.open_block(self._timestamp)
        for sender, to, calldata in transactions:
            self.chain.send(sender, to, calldata)
        assert all(self.chain.close_block().succeeded)
