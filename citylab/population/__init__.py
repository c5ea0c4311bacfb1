"""People of a city: who they are and how they move. Frames in, frames out; nothing is fetched here.

=================== ==============================================================================================
``structure``       counts, density, ages by district, as far as published
``synthetic``       persons in households set to the census's margins, with a calibration; all else assumed, by name
``margins``         what the census published of districts
``households``      persons put into households
``travel``          synthetic trips set to the published shares of modes
=================== ==============================================================================================
"""
