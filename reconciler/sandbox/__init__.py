"""Sandbox: a strict simulator of CHeKT, in process or on a port."""
