// The issuer that `hallpass-bench issuers` compares with: oidc-provider with its in-memory adapter, one client, and JWT access tokens.
// node server.mjs PORT ALGORITHM
import { generateKeyPairSync } from 'node:crypto'
import { Provider, errors } from 'oidc-provider'

const [port, algorithm] = process.argv.slice(2)
const audience = 'urn:service-system'
const pair =
  algorithm === 'RS256'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = { ...pair.privateKey.export({ format: 'jwk' }), kid: 'k1', alg: algorithm, use: 'sig' }

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [key] },
  clients: [
    {
      client_id: 'internal-service-client',
      client_secret: 'hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8',
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      // Its default, RS256, is refused when the key set has no such key.
      id_token_signed_response_alg: algorithm,
    },
  ],
  scopes: ['internal-service'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(context, resource) {
        if (resource !== audience) throw new errors.InvalidTarget()
        return { scope: 'internal-service', audience, accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: algorithm } } }
      },
    },
  },
})
provider.listen(Number(port), '127.0.0.1')
