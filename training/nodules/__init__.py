"""Lung nodule candidates: the package models/ct_nodules."""
