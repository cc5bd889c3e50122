// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// An attacker's helper: several calls in one transaction, also in the middle of an Aave flash loan.
/// Wallets let it act for them by allowances and credit delegation. It checks nobody: for development chains alone.
contract Bundler {
    struct Call {
        address to;
        bytes data;
    }

    /// Makes the calls in order; the first that fails takes all of them back, with its own reason.
    function run(Call[] memory calls) public {
        for (uint256 place = 0; place < calls.length; ++place) {
            (bool done, bytes memory answer) = calls[place].to.call(calls[place].data);
            if (!done) {
                assembly ("memory-safe") {
                    revert(add(answer, 32), mload(answer))
                }
            }
        }
    }

    /// Aave's IFlashLoanReceiver: `params` is `abi.encode(Call[])`. The calls leave the amount, the premium and an
    /// allowance of both for the pool, which takes them when this returns.
    function executeOperation(
        address[] calldata,
        uint256[] calldata,
        uint256[] calldata,
        address,
        bytes calldata params
    ) external returns (bool) {
        run(abi.decode(params, (Call[])));
        return true;
    }
}
