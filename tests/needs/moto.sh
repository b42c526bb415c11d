# S3, as moto does it.

moto="$(python_tools moto 'moto[server]==5.2.5')"
moto_port="$(free_port)"
"$moto/bin/moto_server" -H 127.0.0.1 -p "$moto_port" >"$scratch/moto.log" 2>&1 &
at_exit "kill $!"
export TEST_S3_ENDPOINT="http://127.0.0.1:$moto_port"
# The bucket that the tests share; each has a prefix of its own.
wait_for 300 python3 -c 'from urllib.request import *; import sys; urlopen(Request(sys.argv[1], method="PUT"), timeout=5)' \
    "$TEST_S3_ENDPOINT/outlay-tests"
