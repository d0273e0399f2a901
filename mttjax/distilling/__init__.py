"""One step, one loop, the methods. It is handed its pairs, its folder and its judge.

It knows neither where the images come from, nor what is kept of them, nor how sets are scored.
"""
