"""Kill everything, again and again, and count what is left: `python -m tests.faults --seed 7 --runs 100`.

```
 schedule ─► injection ─► crew (ingest, workers), servers (broker, PostgreSQL), node_proxy, load (people, reorgs)
 (a seed)        └─ waits until work goes on, never until it is quiet          at the end: drained ─► checker
```
The checker imports nothing of the system: it reads the chain's receipts and the tables.
"""
