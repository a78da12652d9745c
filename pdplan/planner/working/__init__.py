"""The working behind a plan: for each number it shows, the formula or the equation it came from.

Gathered by `pdplan.planner.derive`, shown by `pdplan.symbolic`.
"""
