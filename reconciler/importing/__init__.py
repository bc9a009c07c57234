"""``import``: taking over what exists, one object or a whole account. The account is only read."""
