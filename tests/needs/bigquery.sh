# BigQuery and Google's tokens, as our own stand-in does them: the emulator there is needs a container. It runs the queries on
# DuckDB, once sqlglot has translated them.

bigquery_port="$(free_port)"
bigquery_tools="$(python_tools bigquery duckdb==2.0.1 sqlglot==30.30.0 PyJWT==2.15.1 cryptography==50.0.2 pytz==2026.6)"
"$bigquery_tools/bin/python" tests/standins/bigquery.py "$bigquery_port" >"$scratch/bigquery.log" 2>&1 &
at_exit "kill $!"
export TEST_BIGQUERY="http://127.0.0.1:$bigquery_port"
wait_for 60 python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)' "$bigquery_port"
