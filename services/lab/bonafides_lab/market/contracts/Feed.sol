// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// A price feed with the part of Chainlink's aggregator interface that Aave's oracle and our ingest read.
/// Anyone may set the price: it exists on development chains alone.
contract Feed {
    /// @param current USD price of one whole token, 8 decimals.
    /// @param roundId Counts from 1, one per answer.
    /// @param updatedAt Block timestamp, Unix seconds.
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    uint8 public constant decimals = 8;

    /// USD price of one whole token, 8 decimals.
    int256 public latestAnswer;
    uint256 public latestRound;
    /// Unix seconds of the latest answer.
    uint256 public latestTimestamp;

    constructor(int256 answer) {
        set(answer);
    }

    function set(int256 answer) public {
        latestAnswer = answer;
        latestRound += 1;
        latestTimestamp = block.timestamp;
        emit AnswerUpdated(answer, latestRound, block.timestamp);
    }
}
