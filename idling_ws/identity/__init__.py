"""Who somebody is and what they may do: providers, tokens, sign-ins, roles."""
