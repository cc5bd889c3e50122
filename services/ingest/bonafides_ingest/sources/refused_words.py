"""What nodes say when they refuse a call for what it asks, whatever the quota: words of the nodes and of providers."""

import re
from typing import Final

from bonafides.json_rpc import NodeRefused

METHOD_NOT_FOUND: Final = -32601  # JSON-RPC 2.0, section 5.1
METHOD_NOT_SUPPORTED: Final = -32004  # EIP-1474
_UNKNOWN_METHOD: Final = re.compile(
    r"method \S* ?(not found|not supported|does not exist|is not available|not implemented|is not whitelisted)"
    r"|(unsupported|unknown) method|does not exist/is not available",  # geth
    re.IGNORECASE,
)
_UNKNOWN_BLOCK: Final = re.compile(
    r"unknown block|(block|header)( \S+){0,3} not found|not currently canonical"  # geth, Nethermind, Besu
    r"|hash (\S+ )?is not canonical|cannot find (header|block)"  # Erigon
    r"|(block|header) (does not|doesn't) exist|resource not found|block \S*notfound",  # Reth, anvil
    re.IGNORECASE,
)


def is_unknown_method(refusal: NodeRefused) -> bool:
    """Whether the node has no such method."""
    return refusal.code in (METHOD_NOT_FOUND, METHOD_NOT_SUPPORTED) or bool(_UNKNOWN_METHOD.search(refusal.message))


def is_unknown_block(refusal: NodeRefused) -> bool:
    """Whether the node says that a block, named by its hash, is not on its chain."""
    return bool(_UNKNOWN_BLOCK.search(refusal.message))
