"""pdplan.planner"""
