"""What Aave V2 and V3 share."""
