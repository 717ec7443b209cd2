/** Splits at the first occurrence of `mark`; the rest is empty where there is none. */
const cut = (text: string, mark: string): readonly [string, string] => {
  const at = text.indexOf(mark);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
};

const schemeOf = (pattern: string): string | undefined => /^(\*|[a-z][a-z0-9+.-]*):/i.exec(pattern)?.[1];

/** True for a registered address that the server would take: it has a scheme, and not one that runs code. */
export const isCallbackPattern = (pattern: string): boolean => {
  if (pattern === '*') return true;
  const scheme = schemeOf(pattern);
  return scheme !== undefined && !['javascript', 'data'].includes(scheme.toLowerCase());
};

/** `*` stays within one part of an address, `**` (in paths only) crosses slashes. */
const wildcard = (pattern: string, within: string, doubled: boolean): RegExp => {
  const source = pattern
    .split(doubled ? /(\*\*|\*)/ : /(\*)/)
    .map((piece) => {
      if (piece === '**') return '.*';
      return piece === '*' ? within : piece.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('');
  return new RegExp(`^${source}$`);
};

interface Parts {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

const partsOf = (address: string): Parts => {
  const [withoutFragment] = cut(address, '#');
  const [base, query] = cut(withoutFragment, '?');
  const [scheme, rest] = base.includes('://') ? cut(base, '://') : cut(base, ':');
  const slash = rest.indexOf('/');
  return {
    scheme,
    authority: slash === -1 ? rest : rest.slice(0, slash),
    path: slash === -1 ? '' : rest.slice(slash),
    query: new URLSearchParams(query),
  };
};

const queriesMatch = (pattern: URLSearchParams, given: URLSearchParams): boolean => {
  const names = [...pattern.keys()].sort();
  if (names.join('&') !== [...given.keys()].sort().join('&')) return false;
  return names.every((name) => wildcard(pattern.get(name) ?? '', '.*', false).test(given.get(name) ?? ''));
};

const matches = (pattern: string, given: string): boolean => {
  if (pattern === '*' || pattern === given) return true;
  const wanted = partsOf(pattern);
  const found = partsOf(given);
  return (
    wildcard(wanted.scheme, '[^:]*', false).test(found.scheme) &&
    wildcard(wanted.authority, '[^.:]*', false).test(found.authority) &&
    wildcard(wanted.path, '[^/]*', true).test(found.path) &&
    queriesMatch(wanted.query, found.query)
  );
};

/** The same address without its port where it is plain http on loopback, whose port is free (RFC 8252 §7.3). */
const withoutLoopbackPort = (address: string): string | undefined =>
  /^http:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\]):\d+/.test(address)
    ? address.replace(/^(http:\/\/(?:\[::1\]|[^:/]+)):\d+/, '$1')
    : undefined;

/** True when a client that registered `patterns` may be sent back to `address`. */
export const isRegisteredCallback = (patterns: readonly string[], address: string): boolean => {
  const anyPort = withoutLoopbackPort(address);
  return patterns.some(
    (pattern) => matches(pattern, address) || (anyPort !== undefined && matches(pattern, anyPort)),
  );
};
