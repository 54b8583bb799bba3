// Drives an issuer over mutual TLS with oauth4webapi: a client that its certificate proves, and tokens that are bound to it (RFC 8705).
// The argument is a JSON object that says where the issuer is and which files there are; prints a line when all has passed.
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import https from 'node:https'
import { decodeJwt } from 'jose'
import * as oauth from 'oauth4webapi'

const { issuer, client, audience, ca, own, other } = JSON.parse(process.argv[2])
const me = { client_id: client }

/** Requests that show this certificate; what Node calls `fetch` cannot. */
function showing(pair) {
  const tls = { ca: readFileSync(ca), cert: pair && readFileSync(pair.certificate), key: pair && readFileSync(pair.key) }
  const send = (url, { method, headers, body }) => new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers, ...tls }, async (response) => {
      const chunks = await response.toArray()
      resolve(new Response(Buffer.concat(chunks), { status: response.statusCode, headers: response.headers }))
    })
    request.on('error', reject)
    request.end(body === undefined ? undefined : String(body))
  })
  return { [oauth.customFetch]: send }
}

const found = await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...showing() })
const server = await oauth.processDiscoveryResponse(new URL(issuer), found)
assert.ok(server.token_endpoint_auth_methods_supported.includes('tls_client_auth'))
assert.equal(server.tls_client_certificate_bound_access_tokens, true)

async function token(pair) {
  const response = await oauth.clientCredentialsGrantRequest(server, me, oauth.TlsClientAuth(), { audience }, showing(pair))
  return oauth.processClientCredentialsResponse(server, me, response)
}

const granted = await token(own)
assert.equal(granted.token_type, 'bearer')
const der = new X509Certificate(readFileSync(own.certificate)).raw
const thumbprint = createHash('sha256').update(der).digest('base64url')
assert.deepEqual(decodeJwt(granted.access_token).cnf, { 'x5t#S256': thumbprint })
for (const pair of [other, undefined]) {
  await assert.rejects(token(pair), (refused) => refused.status === 401)
}
console.log('oauth4webapi: tls_client_auth and bound tokens (RFC 8705)')
