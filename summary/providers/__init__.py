"""Language models behind one question: which is asked, how often, how long, and what follows from each error."""
