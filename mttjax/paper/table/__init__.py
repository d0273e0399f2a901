"""The paper's comparison: every method at every size, under one evaluator."""
