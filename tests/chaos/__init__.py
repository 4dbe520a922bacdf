"""Faults: real servers and instances are killed and frozen while devices work.

In ``make test`` as large as its time allows; ``make chaos-tests`` runs all of it at full size
and prints what was measured.
"""
