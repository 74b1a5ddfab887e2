"""Training: the visible loops, recipes, schedules, short evaluation and judging."""
