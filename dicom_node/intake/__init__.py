"""From received bytes to what the index keeps of an instance. Values in, values out."""
