"""pdplan.spec"""
