"""How a found network leaves Chronas: model bundle, predictions, exported files, text and cost view."""
