// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.0;

interface IToken {
    function approve(address spender, uint256 amount) external returns (bool);
}

interface IPool {
    function borrow(address asset, uint256 amount, uint256 rateMode, uint16 referral, address onBehalfOf) external;
    function repay(address asset, uint256 amount, uint256 rateMode, address onBehalfOf) external returns (uint256);
    function flashLoan(
        address receiver,
        address[] calldata assets,
        uint256[] calldata amounts,
        uint256[] calldata rateModes,
        address onBehalfOf,
        bytes calldata params,
        uint16 referral
    ) external;
}

/// Takes what it gives back in the same transaction. Whoever supplies on its behalf gives it a position of its own.
contract FlashBorrower {
    IPool private immutable POOL;

    constructor(address pool) {
        POOL = IPool(pool);
    }

    /// Borrow, and repay `repaid` of it at once (all with the greatest number there is).
    function borrowAndRepay(address asset, uint256 amount, uint256 repaid) external {
        POOL.borrow(asset, amount, 2, 0, address(this));
        IToken(asset).approve(address(POOL), type(uint256).max);
        POOL.repay(asset, repaid, 2, address(this));
    }

    /// A flash loan: paid back at the end of the call with rateMode 0, a debt of this contract with 2.
    function flash(address asset, uint256 amount, uint256 rateMode) external {
        address[] memory assets = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        uint256[] memory rateModes = new uint256[](1);
        (assets[0], amounts[0], rateModes[0]) = (asset, amount, rateMode);
        POOL.flashLoan(address(this), assets, amounts, rateModes, address(this), "", 0);
    }

    function executeOperation(
        address[] calldata assets,
        uint256[] calldata,
        uint256[] calldata,
        address,
        bytes calldata
    ) external returns (bool) {
        IToken(assets[0]).approve(address(POOL), type(uint256).max);
        return true;
    }
}
