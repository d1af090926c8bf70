// A provider of OpenID Connect with one client, at which anybody logs in by their name: who has which groups, the
// command line says. Its keys are new at each start.
//   node provider.mjs MODULES PORT CLIENT SECRET REDIRECT '{"alice": ["readers"]}'
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [modules, port, client, secret, redirect, groups] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`).href);
const known = JSON.parse(groups);
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: client,
      client_secret: secret,
      redirect_uris: [redirect],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    },
  ],
  jwks: { keys: [{ ...key, alg: 'RS256', use: 'sig', kid: `key-${Date.now()}` }] },
  cookies: { keys: ['of a test'] },
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  findAccount: (_, name) => ({
    accountId: name,
    claims: () => ({ sub: `id-of-${name}`, preferred_username: name, groups: known[name] ?? [] }),
  }),
});

provider.listen(Number(port), '127.0.0.1');
