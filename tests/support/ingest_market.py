"""A market played on an anvil of its own, its blocks finalized, and what its contracts say of every balance."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bonafides.hashing import keccak
from bonafides.types import Address, EventType, address_text
from bonafides_lab.market.anvil_chain import calls_at
from bonafides_lab.market.play import PlayedMarket, genesis_timestamp, play
from bonafides_lab.stack.anvil import AnvilOptions, LocalAnvil
from bonafides_lab.stack.anvil_rpc import AnvilRpc

from tests.support.market_chains import aave_artifacts_or_skip

SCALED_BALANCE_OF = keccak(b"scaledBalanceOf(address)")[:4]


@dataclass(frozen=True)
class LiveMarket:
    """A played market and its chain."""

    anvil: LocalAnvil
    market: PlayedMarket

    @property
    def url(self) -> str:
        return self.anvil.address

    def finalize(self) -> None:
        """Mine until what was played is finalized."""
        self.anvil.rpc.mine(3)

    def finalized(self) -> int:
        return self.anvil.rpc.block_number() - 2 * self.anvil.options.slots_in_an_epoch

    def scaled_balances(self, wallets: Sequence[Address], block: int) -> dict[tuple[Address, Address, EventType], int]:
        """`scaledBalanceOf` of each wallet in each aToken and variable debt token, zeros left out."""
        keys, requests = [], []
        for wallet in wallets:
            for reserve in self.market.deployment.reserves:
                for token, entry in (
                    (reserve.a_token, EventType.SUPPLY_BALANCE),
                    (reserve.variable_debt_token, EventType.DEBT_BALANCE),
                ):
                    keys.append((wallet, reserve.token, entry))
                    requests.append((token, SCALED_BALANCE_OF + bytes(12) + wallet))
        rpc = AnvilRpc(self.url)
        answers = calls_at(rpc, requests, hex(block))
        rpc.close()
        return {key: int.from_bytes(a) for key, a in zip(keys, answers, strict=True) if any(a)}

    def emit_as(self, contract: Address, topics: Sequence[bytes], payload: bytes) -> None:
        """Replace a contract's code by one that emits this log, and call it."""
        # PUSH each word of the payload and store it; PUSH the topics last to first; PUSH size and offset; LOGn.
        code = b""
        for at in range(0, len(payload), 32):
            word = payload[at : at + 32].ljust(32, b"\0")
            code += b"\x7f" + word + b"\x61" + at.to_bytes(2) + b"\x52"
        code += b"".join(b"\x7f" + topic for topic in reversed(topics))
        code += b"\x61" + len(payload).to_bytes(2) + b"\x5f" + bytes([0xA0 + len(topics)])
        rpc = self.anvil.rpc
        rpc.call("anvil_setCode", address_text(contract), "0x" + code.hex())
        accounts = rpc.call("eth_accounts")
        assert isinstance(accounts, list)
        rpc.call("eth_sendTransaction", {"from": accounts[0], "to": address_text(contract), "gas": hex(500_000)})


@contextmanager
def played_market(folder: Path, days: int) -> Iterator[LiveMarket]:
    """A market of so many days that ended a minute ago."""
    artifacts = aave_artifacts_or_skip()
    end = int(time.time()) - 60
    options = AnvilOptions(start_timestamp=genesis_timestamp(end, days))
    with ExitStack() as on_exit:
        anvil = LocalAnvil(folder / f"anvil-{days}", options)
        on_exit.callback(anvil.close)
        anvil.start()
        live = LiveMarket(anvil, play(anvil.address, artifacts, end_timestamp=end, days=days))
        live.finalize()
        yield live
