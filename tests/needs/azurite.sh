# Azure's blobs, as Azurite does them. The newest that Node 20 can run.

azurite="$(npm_tools azurite azurite@3.35.0)"
azurite_port="$(free_port)"
"$azurite/node_modules/.bin/azurite-blob" --silent --location "$scratch/azurite" --blobHost 127.0.0.1 \
    --blobPort "$azurite_port" --skipApiVersionCheck --disableTelemetry >"$scratch/azurite.log" 2>&1 &
at_exit "kill $!"
export TEST_AZURITE_ENDPOINT="http://127.0.0.1:$azurite_port/devstoreaccount1"
# The container that the tests share; each has a prefix of its own.
wait_for 300 python3 tests/needs/azurite_container.py "$TEST_AZURITE_ENDPOINT" outlay-tests
