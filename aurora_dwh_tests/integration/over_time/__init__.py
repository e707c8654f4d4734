"""A table through its life, by random steps on real servers, beside a model of what must come out."""
