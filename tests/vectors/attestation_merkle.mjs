// Golden Merkle trees by OpenZeppelin's own library, for our builder and our verifiers.
//   node tests/vectors/attestation_merkle.mjs <folder of @openzeppelin/merkle-tree> > tests/vectors/attestation_merkle.json
// Everything follows from SHA-256 of small texts, so that the file can be made again byte for byte.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const folder = process.argv[2];
const { StandardMerkleTree } = require(folder);
const bytes32 = (text) => "0x" + createHash("sha256").update(text).digest("hex");

function describe(name, values, types, subsets) {
  const tree = StandardMerkleTree.of(values, types);
  return {
    name,
    types,
    values,
    leaves: values.map((value) => tree.leafHash(value)),
    root: tree.root,
    proofs: values.map((_, index) => tree.getProof(index)),
    multiproofs: subsets.map((indexes) => {
      const { leaves, proof, proofFlags } = tree.getMultiProof(indexes);
      return { indexes, leaves: leaves.map((value) => tree.leafHash(value)), proof, proofFlags };
    }),
  };
}

const trees = [];
for (const count of [1, 2, 3, 5, 8, 14, 33]) {
  const values = Array.from({ length: count }, (_, index) => [String(1000 + index), bytes32(`struct ${count}/${index}`)]);
  const all = values.map((_, index) => index);
  const subsets = [[0], all, all.filter((index) => index % 2 === 0), all.slice(-2)];
  trees.push(describe(`batch of ${count}`, values, ["uint256", "bytes32"], subsets));
}
const wallets = ["1", "2", "3"].map((text) => [bytes32(`wallet ${text}`).slice(0, 42), bytes32(`salt ${text}`)]);
trees.push(describe("subject of 3", wallets, ["address", "bytes32"], [[0], [0, 1, 2]]));

// The leaves of the golden document, hashed by another encoder than ours: EAS private data is this very tree.
const golden = JSON.parse(readFileSync(new URL("./attestation.json", import.meta.url))).golden;
const leaves = golden.leaves.map(({ type, name, encodedValue, salt }) => [type, name, encodedValue, salt]);
trees.push(describe("golden commitment", leaves, ["string", "string", "bytes", "bytes32"], [[0], [0, 12], leaves.map((_, i) => i)]));

process.stdout.write(JSON.stringify({ library: "@openzeppelin/merkle-tree 1.0.8", trees }, null, 1) + "\n");
