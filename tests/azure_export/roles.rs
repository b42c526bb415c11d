//! The same by a role of Entra ID, which Azurite grants where it is spoken with over TLS: the token is given by a stand-in.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A token that is good until 2100, of no tenant's making. Azurite looks at what it says, not at who signed it.
const TOKEN: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJhdWQiOiJodHRwczovL3N0b3JhZ2UuYXp1cmUuY29tIiwiaXNzIjoiaHR0cHM6Ly9zdHMud2luZG93cy5uZXQvdGVuYW50LyIsImlhdCI6MTcwMDAwMDAwMCwibmJmIjoxNzAwMDAwMDAwLCJleHAiOjQxMDI0NDQ4MDAsInN1YiI6Im91dGxheSJ9.nobody-signs-it";
const SECRET: &str = "a-secret-of-nobody";

/// Gives that token to whoever asks as Entra ID wants to be asked.
async fn entra() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = String::new();
            while !asked.contains("client_secret=") {
                let mut buffer = [0; 4096];
                match stream.read(&mut buffer).await {
                    Ok(count @ 1..) => asked.push_str(&String::from_utf8_lossy(&buffer[..count])),
                    _ => break,
                }
            }
            let right = ["POST /tenant/oauth2/v2.0/token", "grant_type=client_credentials", "client_id=outlay", SECRET]
                .iter()
                .all(|piece| asked.contains(piece))
                && asked.contains("scope=https%3A%2F%2Fstorage.azure.com%2F.default");
            let (status, body) = match right {
                true => {
                    (200, format!("{{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"{TOKEN}\"}}"))
                }
                false => (401, "{\"error\":\"invalid_client\",\"error_codes\":[7000215]}".to_owned()),
            };
            let answer = format!(
                "HTTP/1.1 {status} So\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            // Whoever asked may hang up.
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_enough() {
    let place = Place::new().await;
    let endpoint = needed("TEST_AZURITE_OAUTH_ENDPOINT");
    let container = Container::make(&endpoint, &place.container.name);
    container.overwrite(&[costs(&["1", "2"])]);
    let settings = format!(
        "[[source]]\nname = \"azure\"\nkind = \"azure_export\"\nurl = \"{ACCOUNT}/{}/root/focus\"\nendpoint = \"{endpoint}\"\n\
         tenant_id = \"tenant\"\nclient_id = \"outlay\"\nclient_secret_env = \"AZURE_TEST_SECRET\"\nauthority_host = \"{}\"\n\
         http = {{ first_wait_milliseconds = 1, attempts = 3 }}\n",
        container.name,
        entra().await
    );
    fs::write(place.path("outlay.toml"), settings).expect("writes");
    let authority = needed("TEST_AZURITE_OAUTH_CA");
    let variables = [("AZURE_TEST_SECRET", SECRET), ("SSL_CERT_FILE", authority.as_str()), ("OUTLAY_LOG", "trace")];
    let done = place.outlay(&variables, &["collect"]);
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.contains("azure 2026-10: committed, 2 charges"), "{said}");
    assert!(!said.contains(SECRET) && !said.contains("nobody-signs-it"), "no secret is said: {said}");
    assert_eq!(place.total(), "3");

    let done = place.outlay(&[("AZURE_TEST_SECRET", "another"), ("SSL_CERT_FILE", &authority)], &["check"]);
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(!done.status.success() && said.contains("AADSTS7000215"), "{said}");
}
