"""pdplan.queueing"""
