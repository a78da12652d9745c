"""Decode in public: the table and the stationary law, with what they are made of."""

from pdplan.serving.decode_step import AffineStep, ModelStep, StepTime, TabulatedStep
from pdplan.serving.decode_table import DecodeTable
from pdplan.serving.decode_work import DecodeWork
from pdplan.serving.stationary_batch import StationaryBatch

__all__ = [
    "AffineStep",
    "DecodeTable",
    "DecodeWork",
    "ModelStep",
    "StationaryBatch",
    "StepTime",
    "TabulatedStep",
]
