"""One module per publisher: from the publisher's files to canonical columns.

``parse_`` functions are the recipes that declarations name: a list of file paths (or of tables, for sets compiled from
other sets) in, a ``pl.LazyFrame`` with vocabulary columns out. They unify units, types, names and missing values;
they do not fill, deflate or correct values, except in functions named ``repair_`` that count what they touch.
"""
