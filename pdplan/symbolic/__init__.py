"""pdplan.symbolic"""
