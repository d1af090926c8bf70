"""Chest radiographs: the network, the public layouts, phantoms, and the making of models/cxr_findings."""
