"""What a load test recorded, and what that proves about the server.

A history is what clients saw: every send, every receipt, every verdict. The checker
reads it afterwards and holds it against the promises of the protocol. It knows
nothing of how the server works, so it cannot share its mistakes.
"""
