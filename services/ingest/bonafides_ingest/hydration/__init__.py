"""One wallet's history, read on demand, without everybody else's.

```
request ─► lane ─► what must be known (configuration) ─► where the wallet is named (find) ─► whole receipts
                                                                                                  │
   progress ◄──── Hydrated, a boundary for it alone ◄──── flush ◄──── its events ◄──── decode_logs ┘   the scan's own
```
Events of a hydration are those of the scan, byte for byte, so it does not matter which comes first, or that both do.
"""
