# AWS Cost Explorer, as our own stand-in does it: it has no emulator that computes or refuses anything. It checks requests by
# botocore's model, which came with moto.

moto="$(python_tools moto 'moto[server]==5.2.5')"
cost_explorer_port="$(free_port)"
"$moto/bin/python" tests/standins/cost_explorer.py "$cost_explorer_port" >"$scratch/cost_explorer.log" 2>&1 &
at_exit "kill $!"
export TEST_COST_EXPLORER="http://127.0.0.1:$cost_explorer_port"
wait_for 300 python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)' "$cost_explorer_port"
