"""Several providers of one chain: what each refuses, how fast each is asked, and who is asked next."""
