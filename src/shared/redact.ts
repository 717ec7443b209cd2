/** Takes known secrets out of text. Everything that is printed or logged passes through one of these. */
export interface Redactor {
  /** Makes a value known; it is taken out from then on, also where it appears URL-encoded, in base64 or inside JSON. */
  readonly add: (secret: string) => void;
  readonly clean: (text: string) => string;
}

const shortestBytes = 6;

const spellings = (secret: string): readonly string[] => {
  const base64 = Buffer.from(secret).toString('base64');
  return [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    base64,
    base64.replaceAll('=', ''),
  ];
};

export const createRedactor = (): Redactor => {
  const known = new Set<string>();
  return {
    add(secret) {
      const trimmed = secret.trim();
      if (trimmed.length < shortestBytes) return;
      for (const spelling of spellings(trimmed)) known.add(spelling);
    },
    clean(text) {
      // Longest first, so that a secret which contains another one leaves nothing behind.
      const longestFirst = [...known].sort((a, b) => b.length - a.length);
      return longestFirst.reduce((left, secret) => left.replaceAll(secret, '[redacted]'), text);
    },
  };
};
