"""Makes and evaluates the packages under `models/`. Not installed on a node."""
