#!/usr/bin/env python3
"""Write what the services need of the compiled registry: its ABI and its creation code.

forge build && python script/export_artifact.py          writes the committed file
forge build && python script/export_artifact.py --check  compares it; exit 1 when it differs
"""

import json
import sys
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parents[1]
ARTIFACT = CONTRACTS.parent / "bonafides_attestation" / "abi" / "CreditScoreRegistry.json"


def render_artifact(build_output: Path) -> str:
    """The committed file's text, from forge's `out` folder."""
    built = json.loads((build_output / "CreditScoreRegistry.sol" / "CreditScoreRegistry.json").read_text())
    metadata = built["metadata"]
    found = {
        "contractName": "CreditScoreRegistry",
        "compiler": metadata["compiler"]["version"],
        "evmVersion": metadata["settings"]["evmVersion"],
        "optimizerRuns": metadata["settings"]["optimizer"]["runs"],
        "abi": built["abi"],
        "bytecode": built["bytecode"]["object"],
    }
    return json.dumps(found, indent=1) + "\n"


def main() -> int:
    """Write or compare."""
    rendered = render_artifact(CONTRACTS / "out")
    if "--check" in sys.argv[1:]:
        return 0 if ARTIFACT.read_text() == rendered else 1
    ARTIFACT.write_text(rendered)
    return 0


if __name__ == "__main__":
    sys.exit(main())
