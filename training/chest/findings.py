"""The fourteen findings, in the order of the network's outputs."""

# Those of ChestX-ray14 (Wang et al., CVPR 2017), in its own order.
FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural thickening",
    "Hernia",
)
