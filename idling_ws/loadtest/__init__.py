"""The load test: many devices of many users, at a steady pace, through faults, on the record.

What it measures goes into a live table and a report; what it saw goes into a history,
which ``idling_ws.proof`` holds against the promises of the protocol.
"""
