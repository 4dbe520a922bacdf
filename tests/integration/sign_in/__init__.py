"""Signing in over HTTP, at real instances."""
