"""Fuzz targets for whatever reads bytes of a peer: see docs/developers.md."""
