"""What stands in the cells of tables of text, for readers with and without a table library."""

SEPARATORS = ",;\t"
MISSING = ("", "na", "nan", "null")  # in any case
