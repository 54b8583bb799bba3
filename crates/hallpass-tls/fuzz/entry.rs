//! What the fuzz target does with its input; the smoke test in `tests/integration` runs it too.

use hallpass_tls::SigningRequest;

/// Requests that `openssl req` has made, whose private keys are gone.
const SIGNED: [&[u8]; 4] = [
    include_bytes!("seeds/csr/p256.der"),
    include_bytes!("seeds/csr/p384.der"),
    include_bytes!("seeds/csr/ed25519.der"),
    include_bytes!("seeds/csr/rsa2048.der"),
];

/// A request for a certificate, in PEM and in DER.
pub(crate) fn csr(input: &[u8]) {
    for read in [SigningRequest::read(input), SigningRequest::from_der(input)] {
        let Ok(request) = read else { continue };
        let key = request.public_key();
        // ECDSA has two signatures for each, and PEM several texts: the key is one of those all the same.
        let is_known = |signed: &&[u8]| signed.windows(key.len()).any(|part| part == key);
        assert!(SIGNED.iter().any(is_known), "nobody signed that");
    }
}
