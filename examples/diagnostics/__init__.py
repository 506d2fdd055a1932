"""Benign or malignant: a small, complete model of the Wisconsin diagnostic breast-cancer data.

`dataset` writes the data as clinics would export them, `trainer` and `server` are what runs in the two containers.
"""
