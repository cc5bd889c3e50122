"""The catalogue of features: what the model sees, in this order, and nothing else."""

from bonafides_scoring.features.catalogue import FEATURES, NEVER_DAYS
from bonafides_scoring.features.families import FAMILIES, REASON_OF_FAMILY, Direction, Family
from bonafides_scoring.features.spec import FeatureSpec, schema_hash

__all__ = [
    "FAMILIES",
    "FEATURES",
    "FEATURE_NAMES",
    "NEVER_DAYS",
    "PLACE_OF",
    "REASON_OF_FAMILY",
    "SCHEMA_HASH",
    "Direction",
    "Family",
    "FeatureSpec",
    "schema_hash",
]

FEATURE_NAMES: tuple[str, ...] = tuple(spec.name for spec in FEATURES)
PLACE_OF = {spec.name: place for place, spec in enumerate(FEATURES)}

SCHEMA_HASH = schema_hash(FEATURES)
