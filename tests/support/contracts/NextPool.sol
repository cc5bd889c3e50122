// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.10;

import {PoolInstance} from 'instances/PoolInstance.sol';
import {IPoolAddressesProvider} from 'interfaces/IPoolAddressesProvider.sol';
import {IReserveInterestRateStrategy} from 'interfaces/IReserveInterestRateStrategy.sol';

/// The Pool under a higher revision, so that a proxy takes it as an upgrade.
contract NextPool is PoolInstance {
    constructor(
        IPoolAddressesProvider provider,
        IReserveInterestRateStrategy strategy
    ) PoolInstance(provider, strategy) {}

    function getRevision() internal pure override returns (uint256) {
        return POOL_REVISION + 1;
    }
}
