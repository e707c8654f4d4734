"""How the product is told where its servers are: the environment, secrets, AWS."""
