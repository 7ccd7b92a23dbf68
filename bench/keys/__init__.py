"""Keys seen from outside, case by case."""
