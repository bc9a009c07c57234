"""The flows of the product, composed: read, decide, plan, apply, verify, report."""
