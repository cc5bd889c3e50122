// Compiles Bundler.sol with the pinned solc and prints Bundler.json. Usage: node compile_bundler.cjs NODE_MODULES
// The EVM version is fixed so that the bytes do not change with the compiler's default.
const fs = require("fs");
const path = require("path");
const solc = require(path.resolve(process.argv[2], "solc"));

const input = {
  language: "Solidity",
  sources: { "Bundler.sol": { content: fs.readFileSync(path.join(__dirname, "Bundler.sol"), "utf8") } },
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
const bundler = output.contracts["Bundler.sol"].Bundler;
console.log(
  JSON.stringify({ contractName: "Bundler", compiler: solc.version(), abi: bundler.abi, bytecode: "0x" + bundler.evm.bytecode.object }, null, 1),
);
