"""Other servers, each a small one of our own writing, that do the same work: to compare with.

They do less: nobody signs in, nothing is stored, nothing is numbered or sent again, and who does not read
is somebody else's trouble.
"""
