# The stand-in for Cost Explorer against AWS' own client and model, so that it and our collector cannot share a misreading.

"$(python_tools moto 'moto[server]==5.2.5')/bin/python" tests/standins/try_cost_explorer.py "$TEST_COST_EXPLORER"
