// An OpenID provider as others make it, with clients of our tests. Says its port.
// Arguments: a file with its private keys (JWKS), and a port or 0.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const AUDIENCE = 'https://owner.example/api';
const ROLES = { op: ['operator'], both: ['security', 'manufacturer'], none: ['guest'] };
const [file, port] = process.argv.slice(2);
const keys = JSON.parse(readFileSync(file, 'utf8'));
const alg = keys.keys[0].alg;
const secret = 'TEST-SECRET-of-no-use-elsewhere-000000000000';

const server = createServer();
server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: keys,
    clients: Object.keys(ROLES).concat('other').map((id) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: alg,
    })),
    scopes: ['api'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: (_ctx, _resource, client) => ({
          scope: 'api',
          audience: client.clientId === 'other' ? 'https://other.example' : AUDIENCE,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg } },
        }),
      },
    },
    extraTokenClaims: (_ctx, token) => ({ roles: ROLES[token.clientId] ?? ['admin'] }),
  });
  server.on('request', provider.callback());
  console.log(server.address().port);
});
