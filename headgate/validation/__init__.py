"""Objects become Problems: the rules of each kind. Pure."""
