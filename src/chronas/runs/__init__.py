"""Runs on disk: atomic files, the journal, snapshots and the run folder.

Import the modules themselves (`chronas.runs.folder`, ...): `snapshots` needs torch, the others do not.
"""
