"""Arming: from a schedule to a timeline, and what a site should be in at an instant. Pure."""
