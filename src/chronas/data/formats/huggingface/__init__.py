"""Hugging Face data sets: Parquet and Arrow files in the layouts of the hub and of save_to_disk."""
