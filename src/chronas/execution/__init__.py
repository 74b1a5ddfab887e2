"""Executors: where and in what order the work of a method is run."""
