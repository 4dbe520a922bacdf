"""The rules of the product. They see facts and say what happened; never a socket, never SQL."""
