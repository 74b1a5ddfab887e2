"""Images in, batches out: readers of the common formats, splits, augmentation, batches."""
