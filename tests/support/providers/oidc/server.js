// A real OpenID Connect provider with its own consent forms, for one client: the one given
// as JSON in argv[2]. It prints its issuer as the first line and lives until its input ends.
//
// Everything is the library's default that can be: PKCE is required, `iss` comes with the
// code (RFC 9207), claims come from the user information endpoint only.

import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const client = JSON.parse(process.argv[2]);
let handle;
const server = createServer((request, response) => handle(request, response));

server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ grant_types: ['authorization_code'], response_types: ['code'], ...client }],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'] },
    // Whoever signs in, whatever the password: the name is the account.
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: `${id} of OIDC`, preferred_username: id }),
    }),
    cookies: { keys: ['for tests only'] },
  });
  handle = provider.callback();
  console.log(issuer);
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
