"""An EVM chain of our own: anvil as a local process. `anvil_rpc` holds the calls that move its time and mine."""

from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import Unavailable

from bonafides_lab.processes import Process
from bonafides_lab.stack.anvil_rpc import AnvilRpc
from bonafides_lab.stack.node_tools import FOUNDRY_VERSION, anvil_program, ensure_node_tools
from bonafides_lab.stack.server import LocalServer

READY_TIMEOUT_S = 30
DEVELOPMENT_CHAIN_ID = 31337


@dataclass(frozen=True, slots=True)
class AnvilOptions:
    """How the chain starts.

    `start_timestamp` is the genesis time in Unix seconds, None for now; later blocks keep its distance from the wall
    clock. `block_time_s` mines at that interval; without it each transaction gets a block at once, unless `automine` is
    False. anvil calls head - slots_in_an_epoch safe and head - 2 * slots_in_an_epoch finalized. With `keeps_state`
    the chain is written to disk at `stop` and read at `start`; `kill` still loses what came after the last `stop`.
    """

    start_timestamp: int | None = None
    block_time_s: int | None = None
    automine: bool = True
    chain_id: int = DEVELOPMENT_CHAIN_ID
    slots_in_an_epoch: int = 1
    gas_limit: int = 30_000_000  # per block; Aave's largest set-up call needs 16 million
    keeps_state: bool = False

    def arguments(self) -> list[str]:
        """The command line of these options."""
        argv = ["--chain-id", str(self.chain_id), "--slots-in-an-epoch", str(self.slots_in_an_epoch)]
        argv += ["--gas-limit", str(self.gas_limit)]
        if self.start_timestamp is not None:
            argv += ["--timestamp", str(self.start_timestamp)]
        if self.block_time_s is not None:
            argv += ["--block-time", str(self.block_time_s)]
        elif not self.automine:
            argv += ["--no-mining"]
        return argv


class LocalAnvil(LocalServer):
    """An anvil in memory with ten funded development accounts."""

    def __init__(self, folder: Path, options: AnvilOptions | None = None) -> None:
        super().__init__(folder)
        self.options = options if options is not None else AnvilOptions()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def detail(self) -> str:
        return f"anvil {FOUNDRY_VERSION} (chain id {self.options.chain_id}, local process)"

    @property
    def rpc(self) -> AnvilRpc:
        """The calls that move time and mine blocks."""
        return AnvilRpc(self.address)

    def _launch(self) -> Process:
        ensure_node_tools()
        argv = [str(anvil_program()), "--host", "127.0.0.1", "--port", str(self.port), "--quiet"]
        argv += ["--cache-path", str(self.folder / "cache"), *self.options.arguments()]
        if self.options.keeps_state:
            argv += ["--state", str(self.folder / "state.json"), "--preserve-historical-states"]
        return Process.start("anvil", argv, {}, self.folder)

    def _wait_until_ready(self, process: Process) -> None:
        process.wait_until(self._answers, f"answer to eth_chainId at {self.address}", READY_TIMEOUT_S)

    def _answers(self) -> bool:
        try:
            return self.rpc.chain_id() == self.options.chain_id
        except Unavailable:
            return False
