"""Who is calling, and what they may do: tokens, allow policies, roles."""
