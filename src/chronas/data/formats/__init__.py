"""Readers: each finds out whether data is in its format, and hands it over as `chronas.data.raw.Raw`."""
