"""Makes and evaluates models/brain_tumor: three regions of a brain tumour on four MR sequences."""
