"""What people are told of a trouble: kept in the ledger, sent to whoever reconciler.yaml names."""
