"""Render: a plan as text or JSON. Decides nothing."""
