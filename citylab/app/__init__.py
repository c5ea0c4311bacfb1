"""The shell around a dashboard, and the server for all of them.

``state`` holds a page's choices, ``url`` keeps them in its address, ``provenance`` writes its footer, ``shell``
arranges it and ``server`` serves it. Nothing here is imported before a page is wanted.
"""
