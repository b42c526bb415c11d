# Google Cloud Storage, as our own stand-in does it: emulators of it have neither pages nor conditions, and ask nobody who they are.

google_storage_port="$(free_port)"
python3 tests/standins/google_storage.py "$google_storage_port" >"$scratch/google_storage.log" 2>&1 &
at_exit "kill $!"
export TEST_GOOGLE_STORAGE="http://127.0.0.1:$google_storage_port"
wait_for 60 python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)' "$google_storage_port"
