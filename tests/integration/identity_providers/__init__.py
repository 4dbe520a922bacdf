"""Signing in through services: the rules, without HTTP of our own."""
