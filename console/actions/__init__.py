"""What people ask of the node and have done, whichever face they come by: command line and API call the same."""
