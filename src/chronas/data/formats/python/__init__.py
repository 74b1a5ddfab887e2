"""Data given in Python: arrays, lists of images, torch Datasets."""
