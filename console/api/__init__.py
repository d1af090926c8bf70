"""The REST API: what people and programs may see and change of the node, each by their role."""
