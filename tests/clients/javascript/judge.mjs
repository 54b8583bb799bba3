// Drives an issuer with oauth4webapi and openid-client, which check every response by the letter of the standards.
// The argument is a JSON object that says where the issuer is and what may be asked; prints a line a check that passed.
import assert from 'node:assert/strict'
import { decodeJwt, importJWK } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'

const { issuer, client, signer, audience, scope, user } = JSON.parse(process.argv[2])
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const options = { [oauth.allowInsecureRequests]: true }
const me = { client_id: client.id }
const basic = oauth.ClientSecretBasic(client.secret)

async function check(name, run) {
  try {
    await run()
  } catch (error) {
    console.error(`${name}: ${error.stack ?? error}`, error.cause ?? '')
    process.exit(1)
  }
  console.log(name)
}

/** What an issuer's refusal says. */
async function refused(promise) {
  try {
    await promise
  } catch (error) {
    return { status: error.status, error: error.error ?? error.cause?.[0]?.parameters?.error, thrown: error.constructor.name }
  }
  assert.fail('was not refused')
}

let server
await check('oauth4webapi: metadata (RFC 8414)', async () => {
  for (const algorithm of ['oauth2', 'oidc']) {
    const response = await oauth.discoveryRequest(new URL(issuer), { algorithm, ...options })
    server = await oauth.processDiscoveryResponse(new URL(issuer), response)
    assert.ok(server.grant_types_supported.includes('client_credentials'))
    assert.ok(server.grant_types_supported.includes(EXCHANGE))
  }
})

async function token(authentication, parameters) {
  const response = await oauth.clientCredentialsGrantRequest(server, me, authentication, parameters, options)
  return oauth.processClientCredentialsResponse(server, me, response)
}

/** Judges a token as the service `expected` would (RFC 9068). */
async function validated(accessToken, expected) {
  const request = new Request('https://service.example/', { headers: { authorization: `Bearer ${accessToken}` } })
  return oauth.validateJwtAccessToken(server, request, expected, options)
}

await check('oauth4webapi: client_credentials, basic and post', async () => {
  for (const authentication of [basic, oauth.ClientSecretPost(client.secret)]) {
    const granted = await token(authentication, { audience, scope })
    assert.equal(granted.token_type, 'bearer')
    assert.equal(granted.scope, scope)
    assert.ok(granted.expires_in > 0)
    const claims = await validated(granted.access_token, audience)
    assert.equal(claims.sub, client.id)
    assert.equal(claims.client_id, client.id)
  }
})

await check('oauth4webapi: refusals', async () => {
  const wrong = await refused(token(oauth.ClientSecretBasic('wrong'), { audience }))
  assert.deepEqual([wrong.status, wrong.thrown], [401, 'WWWAuthenticateChallengeError'])
  const target = await refused(token(basic, { audience: 'nobody' }))
  assert.deepEqual([target.status, target.error], [400, 'invalid_target'])
  const much = await refused(token(basic, { audience, scope: 'everything' }))
  assert.deepEqual([much.status, much.error], [400, 'invalid_scope'])
})

const exchange = { subject_token: user.token, subject_token_type: ACCESS_TOKEN, audience: user.target }
await check('oauth4webapi: token exchange (RFC 8693)', async () => {
  const request = parameters => oauth.genericTokenEndpointRequest(server, me, basic, EXCHANGE, parameters, options)
  const processed = response => oauth.processGenericTokenEndpointResponse(server, me, response)
  const granted = await processed(await request(exchange))
  assert.equal(granted.issued_token_type, ACCESS_TOKEN)
  const claims = await validated(granted.access_token, user.target)
  assert.equal(claims.sub, user.subject)
  assert.equal(claims.act.sub, client.id)
  const foreign = await refused(processed(await request({ ...exchange, audience: 'nobody' })))
  assert.deepEqual([foreign.status, foreign.error], [400, 'invalid_target'])
})

async function introspected(accessToken) {
  const response = await oauth.introspectionRequest(server, me, basic, accessToken, options)
  return oauth.processIntrospectionResponse(server, me, response)
}

await check('oauth4webapi: introspection and revocation (RFC 7662, RFC 7009)', async () => {
  const { access_token: live } = await token(basic, { audience, scope })
  const said = await introspected(live)
  assert.deepEqual([said.active, said.client_id, said.scope], [true, client.id, scope])
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, me, basic, live, options))
  assert.deepEqual(await introspected(live), { active: false })
  assert.equal((await introspected('nonsense')).active, false)
})

await check('oauth4webapi: introspection as a signed JWT (RFC 9701)', async () => {
  assert.ok(server.introspection_signing_alg_values_supported.includes('ES256'))
  const said = async accessToken => {
    const signed = { ...options, requestJwtResponse: true }
    const response = await oauth.introspectionRequest(server, me, basic, accessToken, signed)
    assert.equal(response.headers.get('content-type'), 'application/token-introspection+jwt')
    const told = await oauth.processIntrospectionResponse(server, me, response)
    await oauth.validateApplicationLevelSignature(server, response, options)
    return told
  }
  const { access_token: live } = await token(basic, { audience, scope })
  const told = await said(live)
  assert.deepEqual([told.active, told.client_id, told.scope], [true, client.id, scope])
  assert.deepEqual(await said('nonsense'), { active: false })
})

await check('oauth4webapi: proofs of possession with nonces (RFC 9449)', async () => {
  for (const algorithm of ['ES256', 'Ed25519', 'RS256', 'PS256']) {
    const DPoP = oauth.DPoP(me, await oauth.generateKeyPair(algorithm))
    const request = () => oauth.clientCredentialsGrantRequest(server, me, basic, { audience }, { DPoP, ...options })
    const processed = async () => oauth.processClientCredentialsResponse(server, me, await request())
    // The first proof has no nonce; the response brings one, and the next proof repeats it.
    const missing = await processed().catch(error => error)
    assert.ok(oauth.isDPoPNonceError(missing), `${algorithm}: ${missing}`)
    const granted = await processed()
    assert.equal(granted.token_type, 'dpop')
    let sent
    const capture = async (url, init) => {
      sent = new Request(url, { method: init.method, headers: init.headers })
      return new Response()
    }
    await oauth.protectedResourceRequest(
      granted.access_token, 'GET', new URL('https://service.example/orders'), undefined, undefined,
      { DPoP, [oauth.customFetch]: capture },
    )
    const claims = await oauth.validateJwtAccessToken(server, sent, audience, { requireDPoP: true, ...options })
    assert.ok(claims.cnf.jkt)
  }
})

await check('oauth4webapi: refresh tokens (RFC 6749 section 6)', async () => {
  const refreshed = async (refreshToken, additionalParameters) => {
    const response = await oauth.refreshTokenGrantRequest(server, me, basic, refreshToken, { additionalParameters, ...options })
    return oauth.processRefreshTokenResponse(server, me, response)
  }
  const first = await token(basic, { audience, scope })
  const second = await refreshed(first.refresh_token)
  assert.equal(second.scope, scope)
  assert.notEqual(second.refresh_token, first.refresh_token)
  assert.equal((await validated(second.access_token, audience)).client_id, client.id)
  const again = await refreshed(first.refresh_token)
  assert.equal(again.refresh_token, second.refresh_token, 'the response may have been lost')
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, me, basic, second.refresh_token, options))
  const dead = await refused(refreshed(second.refresh_token))
  assert.deepEqual([dead.status, dead.error], [400, 'invalid_grant'])
  assert.deepEqual(await introspected(second.access_token), { active: false })
})

await check('oauth4webapi and openid-client: clients that sign (private_key_jwt)', async () => {
  const key = { key: await importJWK(signer.key, 'ES256'), kid: signer.key.kid }
  const own = { client_id: signer.id }
  const asked = await oauth.clientCredentialsGrantRequest(server, own, oauth.PrivateKeyJwt(key), { audience }, options)
  const granted = await oauth.processClientCredentialsResponse(server, own, asked)
  assert.equal((await validated(granted.access_token, audience)).client_id, signer.id)
  const question = await oauth.introspectionRequest(server, own, oauth.PrivateKeyJwt(key), granted.access_token, options)
  assert.equal((await oauth.processIntrospectionResponse(server, own, question)).active, true)
  const taken = await oauth.revocationRequest(server, own, oauth.PrivateKeyJwt(key), granted.access_token, options)
  await oauth.processRevocationResponse(taken)
  const config = await openid.discovery(
    new URL(issuer), signer.id, undefined, openid.PrivateKeyJwt(key),
    { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] },
  )
  assert.ok((await openid.clientCredentialsGrant(config, { audience })).access_token)
  const other = { ...key, key: (await oauth.generateKeyPair('ES256')).privateKey }
  const forged = await oauth.clientCredentialsGrantRequest(server, own, oauth.PrivateKeyJwt(other), { audience }, options)
  assert.equal((await refused(oauth.processClientCredentialsResponse(server, own, forged))).status, 401)
})

await check('openid-client: every grant and question', async () => {
  const config = await openid.discovery(
    new URL(issuer), client.id, undefined, openid.ClientSecretBasic(client.secret),
    { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] },
  )
  const granted = await openid.clientCredentialsGrant(config, { audience, scope })
  assert.ok(granted.expiresIn() > 0)
  const exchanged = await openid.genericGrantRequest(config, EXCHANGE, exchange)
  assert.equal(exchanged.issued_token_type, ACCESS_TOKEN)
  assert.equal((await openid.tokenIntrospection(config, granted.access_token)).active, true)
  const refreshed = await openid.refreshTokenGrant(config, exchanged.refresh_token)
  const end = ({ access_token }) => decodeJwt(access_token).exp
  assert.equal(end(refreshed), end(exchanged), 'the token that was exchanged ends then')
  await openid.tokenRevocation(config, granted.access_token)
  assert.equal((await openid.tokenIntrospection(config, granted.access_token)).active, false)
})
