"""Statistics that several domains share: NumPy arrays in and out, many series at once; surveys take frames.

=================== ==============================================================================================
``survey``          estimates by design: means, shares, quantiles, tables, regressions; calibration
``raking``          tables and rows set to margins, integers that keep them
``multilevel``      people in places: how much lies between places
``bootstrap``       blocks, intervals
``trends``          Theil-Sen, Mann-Kendall, with autocorrelation
``forecasting``     scores of forecasts
``draws``           random numbers by draw number, the same however work is cut
``money``           capital spread over its life
=================== ==============================================================================================
"""
