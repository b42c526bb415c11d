# The stand-in for Azure against Microsoft's own client, so that it and our collector cannot share a misreading.

"$(python_tools azure azure-mgmt-costmanagement==5.0.0)/bin/python" tests/standins/try_azure.py "$TEST_AZURE"
