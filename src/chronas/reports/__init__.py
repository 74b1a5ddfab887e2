"""Reports: what a run says for itself, as HTML, in a terminal and as events. Imports no torch."""
