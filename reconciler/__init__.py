"""reconciler: CHeKT accounts as code. Write YAML, see the plan, apply it once and only once."""

__version__ = "0.1.0"
