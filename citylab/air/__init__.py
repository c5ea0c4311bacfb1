"""Air quality: frames in, frames out, nothing fetched.

From measurements to verdicts, in the order of work:

``quality``
    What is doubtful in a measurement, flagged with its reason, nothing altered.
``averages``
    Hours to days, months and years under the validity rules of a standard; MDA8, rolling means, percentiles.
``summary``
    What several stations say of a city, and how it changed between two periods.
``indices``, ``limits``, ``alerts``
    AQI by six dated editions; exceedance, compliance and composite index by three standards; Beijing's alert rules.
``trends``, ``weather``
    Theil-Sen, Mann-Kendall, STL and KZ; the series without its weather, with intervals.
``roses``, ``variation``, ``evaluation``
    Where it comes from, when it is high, how well a model does.
``space``, ``exposure``, ``health``, ``regional``
    Stations to grid with its error; who breathes it; what it costs in lives; region against city.
``forecast``
    One to three days ahead, judged against persistence and climatology.
``faults``
    Planted faults (synthetic) to test detectors with.
"""
