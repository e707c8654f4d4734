"""The product as a whole, from a real source through the lake into the warehouse."""
