"""Every change of state on a study's way, one file a step: the change, its event and its entry commit together."""
