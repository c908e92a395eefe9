"""Parts of the reference that are written from what they describe."""
