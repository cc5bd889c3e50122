"""Logs from Parquet files in the column layout of cryo (paradigmxyz/cryo 0.3), so that a backfill needs no node.

A folder holds `…__logs__<first>_to_<last>.parquet` with `block_hash` included, and `…__blocks__…` of the same form for
the timestamps. Rows stand in order of blocks; a file's name says which blocks it covers, also those without a log.

```
folder: which files, which blocks ─► rows: batches of a range, in bounded memory ─► source: the port that ingest reads
```
"""

from bonafides_ingest.sources.parquet.folder import LogFolder, open_log_folder
from bonafides_ingest.sources.parquet.source import ParquetSource

__all__ = ["LogFolder", "ParquetSource", "open_log_folder"]
