"""A read-only look at a real account: what works, what does not, and what to do about it."""
