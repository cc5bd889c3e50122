// Compiles a contract of the lab with the pinned solc and prints its JSON.
// Usage: node compile_contract.cjs FOLDER/Name.sol NODE_MODULES
// The EVM version is fixed so that the bytes do not change with the compiler's default.
const fs = require("fs");
const path = require("path");
const [source, nodeModules] = process.argv.slice(2);
const solc = require(path.resolve(nodeModules, "solc"));
const name = path.basename(source, ".sol");

const input = {
  language: "Solidity",
  sources: { [`${name}.sol`]: { content: fs.readFileSync(source, "utf8") } },
  settings: {
    evmVersion: "paris",
    metadata: { bytecodeHash: "none", appendCBOR: false },
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
const errors = (output.errors || []).filter((error) => error.severity === "error");
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const contract = output.contracts[`${name}.sol`][name];
const made = { contractName: name, compiler: solc.version(), abi: contract.abi, bytecode: "0x" + contract.evm.bytecode.object };
console.log(JSON.stringify(made, null, 1));
