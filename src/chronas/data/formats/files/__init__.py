"""Image files in folders and archives, with labels in folders, tables or names."""
