/** What the page shows; a setting that is missing keeps its placeholder. */
export interface PageSettings {
  readonly authority: string;
  readonly clientId: string;
  readonly apiEndpoint: string;
}

const required = [
  'AUTH_AUTHORITY',
  'AUTH_CLIENT_ID',
  'AUTH_AUDIENCE',
  'AUTH_SUPPORTED_SCOPES',
  'USE_AUTH0',
  'NETBIRD_MGMT_API_ENDPOINT',
] as const;

/**
 * The page's settings from the container's environment, and the first required variable that is missing. A missing
 * one leaves all of them untemplated, as the real start script stops before it templates.
 */
export function pageSettings(variables: Readonly<Record<string, string | undefined>>): {
  readonly given: PageSettings;
  readonly missing: string | undefined;
} {
  const missing = required.find((name) => (variables[name] ?? '') === '');
  const given = (name: (typeof required)[number]): string =>
    missing === undefined ? (variables[name] ?? '') : `$${name}`;
  return {
    missing,
    given: {
      authority: given('AUTH_AUTHORITY'),
      clientId: given('AUTH_CLIENT_ID'),
      apiEndpoint: given('NETBIRD_MGMT_API_ENDPOINT').replace(/:443$/, ''),
    },
  };
}

/** The whole page. It says what it is: a stand-in must never look like the real dashboard. */
export const dashboardPage = ({ authority, clientId, apiEndpoint }: PageSettings): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>NetBird dashboard (stand-in)</title>
<style>body { font-family: sans-serif; max-width: 40rem; margin: 4rem auto; line-height: 1.5 }</style>
</head>
<body>
<h1>This is a stand-in for the NetBird dashboard</h1>
<p>This sandbox runs a small program where the real image could not be had. Nothing can be managed here, and no login
is completed.</p>
<dl>
<dt>Issuer</dt><dd>${escaped(authority)}</dd>
<dt>Client</dt><dd>${escaped(clientId)}</dd>
<dt>Management API</dt><dd>${escaped(apiEndpoint)}</dd>
</dl>
</body>
</html>
`;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
