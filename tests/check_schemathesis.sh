# Requests that the OpenAPI document allows, and many that it does not, against the server with the demo's bills. Nothing may be
# a 5xx, and every answer must be one that the document describes: no property that is not in it, either.
schemathesis="$(python_tools schemathesis 'schemathesis>=4.32,<5')/bin/schemathesis"
schemathesis_port="$(free_port)"
"$target/debug/outlay" --data "$scratch/schemathesis" demo --listen "127.0.0.1:$schemathesis_port" >"$scratch/schemathesis.out" 2>"$scratch/schemathesis.log" &
at_exit "kill $!"
wait_for 300 grep --quiet "Serving on" "$scratch/schemathesis.log"
python3 tests/strict_openapi.py docs/openapi.json >"$scratch/openapi.json"
schemathesis_config="$PWD/tests/schemathesis.toml"
# It keeps notes where it runs.
(cd "$scratch" && timeout 600 "$schemathesis" --config-file "$schemathesis_config" run openapi.json --url "http://127.0.0.1:$schemathesis_port") ||
    { tail -n 20 "$scratch/schemathesis.log" >&2 && false; }
