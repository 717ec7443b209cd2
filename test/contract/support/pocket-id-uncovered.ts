/** Recorded lines that this suite does not replay, by file and place in it, each with the reason. */
export const uncovered = {
  bootstrap: Object.fromEntries(
    [26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37].map((line) => [
      line,
      'answered by NetBird: the suite of NetBird has it',
    ]),
  ),
  login: Object.fromEntries(
    [73, 74, 75, 76, 77, 78].map((line) => [line, 'answered by NetBird: the suite of NetBird has it']),
  ),
} as const satisfies Record<string, Readonly<Record<number, string>>>;

/** What of the real server the stand-in leaves out. */
export const leftOut = [
  'passkeys (all of the passkey recording): no browser signs in to the stand-in, so nothing would use them',
  'steps that take a passkey (requiresReauthentication, prompt=login): asked for, and cannot be completed',
  'grant type client_credentials: advertised as the real server does, refused as unsupported; nothing here uses it',
  'response modes fragment and form_post: advertised, refused; nothing here uses them',
  'sign-up by oneself (always refused), sign-up tokens, API keys of users, e-mail, LDAP, custom claims, APIs and resources, logos, pictures, SCIM, CIMD, audit log: not in the recordings',
  'writing the application configuration: the stack sets it by environment',
  'web pages: one page that says what this is',
  'the single-instance lock and the exit after 90 s without PostgreSQL: properties of a process, not of its answers',
] as const;
