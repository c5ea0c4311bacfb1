"""Pictures: a frame in, an object out; nothing is shown, nothing is fetched from outside.

``theme`` holds colours and fonts, ``numbers`` the units people use, ``charts`` Bokeh figures, ``maps`` pydeck maps,
``tables`` the table behind each picture, ``notebook`` what JupyterLab needs to show them offline.
"""
