# Azure's Cost Management Query API and Entra ID, as our own stand-in does them: they have no emulator.

azure_port="$(free_port)"
python3 tests/standins/azure.py "$azure_port" >"$scratch/azure.log" 2>&1 &
at_exit "kill $!"
export TEST_AZURE="http://127.0.0.1:$azure_port"
wait_for 60 python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)' "$azure_port"
