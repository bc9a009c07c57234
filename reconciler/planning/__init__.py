"""Planning: desired against live. Pure: no I/O, no clock."""
