"""What it costs to lift a score by acts that change nothing: attackers on real Aave V3 bytecode, and the search for it.

```
 base records ──► campaign of each attacker, beside an untouched twin ──► logs ── decode ── score ──► gain and cost
                        ▲                                                                                │
                        └──────── random strategies first, then shorter, smaller, fewer ◄────────────────┘
```

All people here are made up, and so every number is synthetic.
"""
