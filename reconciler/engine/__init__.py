"""Engine: read the account, execute a plan, verify it."""
