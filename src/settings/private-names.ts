/*
 * Names at home. The CA that signs for them is installed on people's devices, so it must never be able to sign for a name
 * that means something elsewhere: only domains that nobody can have in the public DNS are taken.
 */

/**
 * RFC 6761 (localhost, test), RFC 6762 section 3 and appendix G (local, and those used as if it were), RFC 8375
 * (home.arpa), ICANN's resolution of 2024-07-29 (internal).
 */
const privateSuffixes = [
  'local',
  'home.arpa',
  'internal',
  'lan',
  'home',
  'intranet',
  'private',
  'corp',
  'localhost',
  'test',
] as const;

/** The suffixes as people read them. */
export const suffixList = privateSuffixes.map((suffix) => `.${suffix}`).join(', ');

const isBelow = (name: string, domain: string): boolean => name.endsWith(`.${domain}`);

/** True for a domain and everything below it. */
export const isWithin = (name: string, domain: string): boolean => name === domain || isBelow(name, domain);

/**
 * The domain that a CA may sign for so that it can sign for this name: its parent, or the name itself where the parent is
 * a whole suffix. Undefined where the name lies outside the private suffixes.
 */
export const domainOfPrivateName = (name: string): string | undefined => {
  const suffix = privateSuffixes.find((one) => isBelow(name, one));
  if (suffix === undefined) return undefined;
  const parent = name.slice(name.indexOf('.') + 1);
  return parent === suffix ? name : parent;
};

/** The domains of these names: sorted, each once, and none that lies below another. */
export const privateDomains = (names: readonly string[]): readonly string[] => {
  const all = [...new Set(names.flatMap((name) => domainOfPrivateName(name) ?? []))].sort();
  return all.filter((domain) => !all.some((other) => isBelow(domain, other)));
};
