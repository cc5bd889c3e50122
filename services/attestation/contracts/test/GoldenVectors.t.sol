// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {CreditScoreRegistry} from "../src/CreditScoreRegistry.sol";
import {ScoreAttestation, ScoreAttestationHash} from "../src/ScoreAttestation.sol";
import {RegistryFixture} from "./RegistryFixture.sol";

/// @dev The same bytes as Python and JavaScript: tests/vectors/attestation.json.
contract GoldenVectorsTest is RegistryFixture {
    string internal json;
    ScoreAttestation internal attestation;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("../../../tests/vectors/attestation.json");
        attestation = ScoreAttestation({
            subject: word(".attestation.subject"),
            commitment: word(".attestation.commitment"),
            modelId: word(".attestation.modelId"),
            asOfDigest: word(".attestation.asOfDigest"),
            asOfTime: uint64(number(".attestation.asOfTime")),
            issuedAt: uint64(number(".attestation.issuedAt")),
            validFrom: uint64(number(".attestation.validFrom")),
            validUntil: uint64(number(".attestation.validUntil")),
            revocationIndex: uint64(number(".attestation.revocationIndex")),
            flags: uint32(number(".attestation.flags"))
        });
    }

    function test_structHash__golden__isTheSame() public view {
        assertEq(ScoreAttestationHash.structHash(attestation), word(".structHash"));
    }

    function test_batchLeaf__golden__isTheSameAndLeadsToTheRoot() public view {
        bytes32 leaf = ScoreAttestationHash.batchLeaf(attestation);
        bytes32[] memory proof = vm.parseJsonBytes32Array(json, ".golden.proof");

        assertEq(leaf, word(".batchLeaf"));
        assertEq(MerkleProof.processProof(proof, leaf), word(".root"));
    }

    function test_domainSeparator__atTheGoldenAddress__isTheSame() public {
        vm.chainId(number(".chainId"));
        address golden = vm.parseJsonAddress(json, ".golden.registry");
        // The separator is computed anew at an address other than the one of the constructor.
        vm.etch(golden, address(registry).code);

        assertEq(CreditScoreRegistry(golden).domainSeparator(), word(".domainSeparator"));
    }

    function test_signature__golden__isTheAttesters() public view {
        bytes32 digest =
            MessageHashUtils.toTypedDataHash(word(".domainSeparator"), ScoreAttestationHash.structHash(attestation));

        assertEq(digest, word(".digest"));
        assertEq(
            ECDSA.recover(digest, vm.parseJsonBytes(json, ".golden.signature")),
            vm.parseJsonAddress(json, ".golden.attester")
        );
    }

    function word(string memory key) internal view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(".golden", key));
    }

    function number(string memory key) internal view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(".golden", key));
    }
}
