"""From a committed entry to every device: publish, fan out, fill gaps, replay, keep alive."""
