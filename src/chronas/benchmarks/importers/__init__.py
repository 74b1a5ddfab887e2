"""Readers of published tables as they are distributed, one file each: a source in, `Contents` out."""
