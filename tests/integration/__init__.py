"""Tests over real PostgreSQL and Redis."""
