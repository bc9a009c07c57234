"""Ledger: what we own, what we intended, what happened."""
