"""Manifests: find, render, parse, validate. The only room that reads YAML."""
