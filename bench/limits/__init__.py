"""Limits seen from outside, case by case."""
