"""Features of a subject as of named blocks: `schema` says what they mean, `build` computes them."""
