"""A PostgreSQL server for the tests: their own, on a socket in a private directory, gone when they are."""

from tests.postgresql.server import Server, join, running

__all__ = ["Server", "join", "running"]
