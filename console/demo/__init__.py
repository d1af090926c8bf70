"""`python -m console.demo`: a study in, findings out, the whole path on this machine."""
