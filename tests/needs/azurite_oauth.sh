# The same blobs by roles of Entra ID, which Azurite grants over TLS only. It checks what a token says, not who signed it.

debian_packages openssl openssl
azurite="$(npm_tools azurite azurite@3.35.0)"
azurite_oauth="$scratch/azurite-oauth"
mkdir -p "$azurite_oauth"
azurite_openssl() { (cd "$azurite_oauth" && openssl "$@" 2>/dev/null); }
azurite_openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
    -subj "/CN=An authority for tests" -days 2
azurite_openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj "/CN=localhost"
printf 'subjectAltName = DNS:localhost, IP:127.0.0.1\n' >"$azurite_oauth/server.ext"
azurite_openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile server.ext -out server.pem -days 2
azurite_oauth_port="$(free_port)"
"$azurite/node_modules/.bin/azurite-blob" --silent --location "$azurite_oauth/blobs" --blobHost 127.0.0.1 \
    --blobPort "$azurite_oauth_port" --skipApiVersionCheck --disableTelemetry --oauth basic \
    --cert "$azurite_oauth/server.pem" --key "$azurite_oauth/server.key" >"$scratch/azurite-oauth.log" 2>&1 &
at_exit "kill $!"
export TEST_AZURITE_OAUTH_ENDPOINT="https://127.0.0.1:$azurite_oauth_port/devstoreaccount1"
export TEST_AZURITE_OAUTH_CA="$azurite_oauth/ca.pem"
wait_for 60 python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)' "$azurite_oauth_port"
