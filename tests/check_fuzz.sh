# The fuzz targets: their corpus, then new inputs for a while.
fuzz/run 20
