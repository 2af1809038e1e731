"""Work behind the answer: ids in, one service call, the outcome in the row."""
