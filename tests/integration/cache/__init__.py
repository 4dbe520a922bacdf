"""The cache of several instances over a real Redis."""
