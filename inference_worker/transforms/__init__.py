"""The steps of models/steps.py carried out: each written once, for NumPy on a CPU and for torch tensors on a GPU."""
