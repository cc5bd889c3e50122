"""How good a model is, said honestly: measures, intervals over wallets, the report, the model card."""
